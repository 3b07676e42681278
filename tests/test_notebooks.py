"""The notebooks run from top to bottom, and hold the outputs of such a run."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
OF_A_MACHINE = re.compile(r"(?<!\w)/(?:root|work|home|tmp|Users)\b|\b[A-Z]:\\\\")
LIMIT_S = 600
MOST_BYTES = 1_000_000
_IMPORTS = (ast.Import, ast.ImportFrom)

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def _code(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def _outputs(path):
    return [output for cell in _code(path) for output in cell["outputs"]]


@pytest.mark.slow
def test_it_runs(path, tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="notebooks are run with nbclient")
    nbclient = pytest.importorskip("nbclient", reason="notebooks are run with nbclient")
    pytest.importorskip("ipykernel", reason="notebooks need the kernel python3")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")  # workers share the cores
    # conftest.py chooses Agg; in a notebook pictures go to the notebook.
    monkeypatch.delenv("MPLBACKEND", raising=False)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))  # no start-up files of the user
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata.kernelspec.name == "python3"
    manager = _manager(tmp_path)
    client = nbclient.NotebookClient(
        notebook, km=manager, timeout=LIMIT_S, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()  # raises CellExecutionError
    ran = [cell for cell in notebook.cells if cell.cell_type == "code"]
    stored = _code(path)
    for now, before in zip(ran, stored, strict=True):
        # Not their number: a kernel may send what is printed in several pieces.
        kinds = [{o["output_type"] for o in cell["outputs"]} for cell in (now, before)]
        assert kinds[0] == kinds[1], f"other outputs than those stored:\n{now.source}"


def _manager(folder):
    """Return a manager of a kernel python3 that is this Python, whatever else is installed."""
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpecManager

    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
    }
    (folder / "kernels" / "python3").mkdir(parents=True)
    (folder / "kernels" / "python3" / "kernel.json").write_text(json.dumps(spec))
    specs = KernelSpecManager(kernel_dirs=[str(folder / "kernels")], ensure_native_kernel=False)
    return AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs)


def test_what_it_imports_exists(path):
    lines = (line for cell in _code(path) for line in [*cell["source"], "\n"])
    code = ast.parse("".join(line for line in lines if not line.startswith("%")))
    imports = [node for node in code.body if isinstance(node, _IMPORTS)]
    assert imports
    exec(compile(ast.Module(imports, type_ignores=[]), path.name, "exec"), {})


def test_outputs_are_stored(path):
    cells = _code(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    shown = [output.get("data", {}) for output in _outputs(path)]
    assert any("image/png" in data for data in shown)
    assert any("text/html" in data for data in shown)


def test_no_error_and_no_warning_is_stored(path):
    for output in _outputs(path):
        assert output["output_type"] != "error"
        assert output.get("name") != "stderr", output["text"]


def test_it_says_nothing_of_a_machine(path):
    text = path.read_text(encoding="utf-8")
    without_pictures = re.sub(r'"image/png": "[^"]*"', "", text)
    found = OF_A_MACHINE.search(without_pictures)
    assert found is None, without_pictures[max(found.start() - 60, 0) : found.end() + 60]


def test_it_is_small(path):
    assert path.stat().st_size < MOST_BYTES


def test_it_is_listed(path):
    assert f"]({path.name})" in (FOLDER / "README.md").read_text(encoding="utf-8")
