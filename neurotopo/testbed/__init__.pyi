from .statements import core_id as core_id
from .world import World as World
from .world import make_world as make_world
