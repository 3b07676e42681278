"""What runs on a GPU, run without one: see ``tests/support/devices.py``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from neurotopo import AMIG, Edit
from neurotopo.models import passes, row_edits
from neurotopo.models.examples import random_model
from neurotopo.models.path_gradients import rows_that_fit
from neurotopo.studies.learning.study import _cost
from neurotopo.studies.training import Training
from tests.support.devices import CudaTensor, cuda_double
from tests.support.reference import script

gpu_checks = script(Path(__file__).parents[2] / "scripts" / "gpu_checks.py")
# the rest has a test of its own, runs in `make slow`, or is no longer different on a double
QUICK = ("values_of_neurons", "probabilities", "attribution", "split_model", "tuning")
CHECKS = [
    pytest.param(check, marks=() if check.__name__ in QUICK else pytest.mark.slow)
    for check in gpu_checks.CHECKS
]


@pytest.fixture(autouse=True)
def _few_models(monkeypatch, request):
    """Leave other kinds to `make slow`."""
    if request.node.get_closest_marker("slow") is None:
        monkeypatch.setattr(gpu_checks, "KINDS", ("gpt2",))
        monkeypatch.setattr(gpu_checks.largest, "__defaults__", (("gpt2",),))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_checks(check):
    with cuda_double(2):
        outcome = gpu_checks.outcome_of(check, gpu_checks.Setting("cuda", tiny=True))
    assert outcome.result == "ok", outcome.figure


@pytest.mark.slow
def test_a_layer_on_the_cpu():
    with cuda_double(1):
        figure = gpu_checks.split_model(gpu_checks.Setting("cuda", tiny=True))
    assert figure.endswith("with cpu")


def test_the_double_refuses_what_cuda_refuses():
    with cuda_double(2):
        values = torch.ones(3, 3, device="cuda")
        other = torch.ones(3, 3)
        for mixed in (
            lambda: values + other,
            lambda: values @ other,
            lambda: values + values.to("cuda:1"),
            lambda: values.index_select(0, torch.tensor([0])),
            lambda: other[torch.tensor([0], device="cuda")],
            lambda: torch.cat([values, other]),
            lambda: torch.rand(3, device="cuda", generator=torch.Generator()),
        ):
            with pytest.raises(RuntimeError, match=r"same device|device type for generator"):
                mixed()
        for reads in (lambda: values.numpy(), lambda: np.asarray(values)):
            with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
                reads()


def test_the_double_accepts_what_cuda_accepts():
    with cuda_double(2):
        values = torch.tensor([[1.0, 2.0], [3.0, 4.0]], device="cuda:1").requires_grad_(True)
        assert values.device == torch.device("cuda:1")
        assert values.is_cuda
        assert (values + torch.tensor(1.0))[[1], torch.tensor([0])].tolist() == [4.0]
        total = ((values * values).to("cuda").cpu() * 2).sum()
        total.backward()
        assert isinstance(values.grad, CudaTensor)
        assert values.grad.device == values.device
        assert values.grad.cpu().numpy().tolist() == [[4.0, 8.0], [12.0, 16.0]]
    assert not torch.cuda.is_available() or torch.version.cuda


def cast_only(values, like):
    return values.to(like.dtype)


@pytest.mark.parametrize(
    ("owner", "name", "broken"),
    [
        (passes.PassSettings, "device", torch.device("cpu")),  # tokens stay on the CPU
        (row_edits, "cast_values", cast_only),  # values of edits stay on the CPU
    ],
)
def test_a_forgotten_device_is_found(owner, name, broken, monkeypatch):
    monkeypatch.setattr(owner, name, broken)
    with cuda_double():
        setting = gpu_checks.Setting("cuda", tiny=True)
        outcome = gpu_checks.outcome_of(gpu_checks.probabilities, setting)
    assert outcome.result == "FAILED"
    assert "same device" in outcome.figure


@pytest.mark.parametrize("name", ["graph_free", "half_precision"])
def test_on_the_cpu(name):
    check = getattr(gpu_checks, name)
    assert gpu_checks.outcome_of(check, gpu_checks.Setting("cpu", tiny=True)).result == "ok"


@pytest.mark.parametrize("dtype", gpu_checks.HALF)
def test_edits_and_baselines_of_other_precisions(dtype):
    exact, model = random_model(), random_model()
    model.hf_model.to(getattr(torch, dtype))
    values = exact.activations(gpu_checks.FACT)
    results = []
    for each, kind in ((exact, "float32"), (model, "float64"), (model, "float16")):
        edit = Edit([(0, 3), (2, 1)], value=torch.tensor([0.3, -0.7], dtype=getattr(torch, kind)))
        log_p = each.answer_probability(gpu_checks.LONG, edit, log=True)
        amig = AMIG(steps=4, target="log", baseline=values.astype(kind))
        scores = amig.attribute(each, gpu_checks.LONG).scores
        results.append((log_p, scores))
    (expected, wanted), *others = results
    limit = gpu_checks.HALF[dtype]
    for log_p, scores in others:
        assert log_p == pytest.approx(expected, abs=limit)
        assert np.abs(scores - wanted).max() <= limit * np.abs(wanted).max()


def test_free_memory_sets_the_batch(monkeypatch):
    settings = random_model().pass_settings()
    with cuda_double(free=10**6):
        settings.hf_model.to("cuda")
        few = rows_that_fit(settings, 8)
        # what torch keeps without using it is free
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device=None: 10**6)
        assert rows_that_fit(settings, 8) == pytest.approx(2 * few, abs=1)
        assert passes._budget(settings.device) == 2 * 10**6 // 4


def test_peak_memory_is_that_of_the_model():
    training = Training([1.0], 1, 0.1, 1, 1, 1)
    with cuda_double():
        assert _cost(training, torch.device("cpu"))["peak_bytes"] is None
        assert _cost(training, torch.device("cuda"))["peak_bytes"] == 1


def test_the_script(tmp_path, capsys, monkeypatch):
    out = tmp_path / "gpu.json"
    some = ("arithmetic", "loading", "fingerprints", "whole_model", "large_model")
    arguments = ["--device", "cpu", "--tiny", "--out", str(out)]
    assert gpu_checks.main([*arguments, "--only", *some]) == 0
    record = json.loads(out.read_text(encoding="utf-8"))
    assert [each["check"] for each in record["checks"]] == list(some)
    assert record["failed"] == 0
    assert "5 checks on cpu" in capsys.readouterr().out
    monkeypatch.setattr(gpu_checks, "whole_model_tree", lambda *args, **kwargs: 1 / 0)
    assert gpu_checks.main([*arguments, "--only", "whole_model"]) == 1
    assert "FAILED" in capsys.readouterr().out
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_checks.main([]) == 2
    assert capsys.readouterr().err == "No GPU was found, so nothing was checked.\n"


@pytest.mark.slow
def test_the_whole_script():
    assert gpu_checks.main(["--device", "cpu", "--tiny"]) == 0
