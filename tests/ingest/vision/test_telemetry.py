"""Nothing leaves the machine: ONNX Runtime is told so before it is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_runtime_is_told_not_to_report_and_leaves_nothing_in_the_home_folder(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ingest.vision import ExtractorConfig, build_extractor\n"
        "build_extractor(ExtractorConfig(cache_dir=Path(sys.argv[1])))\n"
        "import os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    command = [sys.executable, "-c", code, str(tmp_path / "models")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "1"
    assert list(home.rglob("*onnxruntime*")) == []
