from . import datasets as datasets
from . import explore as explore
from . import metrics as metrics
from . import studies as studies
from .cluster.ntc import NTCClusterer as NTCClusterer
from .graphs.neuron_graph import NeuronGraph as NeuronGraph
from .graphs.whole_model import whole_model_tree as whole_model_tree
from .knowledge.amig import AMIG as AMIG
from .knowledge.degeneracy import DKNFinder as DKNFinder
from .knowledge.dkn import DKN as DKN
from .knowledge.facts import Fact as Fact
from .knowledge.facts import FactSet as FactSet
from .models.edits import Edit as Edit
from .models.loading import load_model as load_model
from .models.neuron_model import NeuronModel as NeuronModel
from .neurons import NeuronSet as NeuronSet
from .persistence.build import merge_tree as merge_tree
from .persistence.diagrams import persistence_diagrams as persistence_diagrams
from .persistence.graph_persistence import GraphPersistence as GraphPersistence
from .persistence.merge_tree import MergeTree as MergeTree
from .persistence.point_cloud_persistence import PointCloudPersistence as PointCloudPersistence
from .studies.audit.judge import Audit as Audit
from .studies.audit.judge import audit as audit
from .studies.check import preflight as preflight
from .tuning.tuner import NeuronTuner as NeuronTuner

__version__: str
