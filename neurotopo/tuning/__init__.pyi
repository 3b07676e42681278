from .lora import LoraArm as LoraArm
from .lora import lora_like as lora_like
from .lora import to_lora as to_lora
from .tuner import NeuronTuner as NeuronTuner
