import json
import shutil
from pathlib import Path

import pytest
from package_worker import members, sbom

from tests.release.conftest import ROOT

DEPLOYABLE = 'name = "worker"\nmain = "dist/index.js"\nno_bundle = true\n'


def worker(folder: Path, config: str) -> Path:
    (folder / "dist").mkdir()
    (folder / "dist" / "index.js").write_text("export default {}\n")
    (folder / "wrangler.toml").write_text(config)
    (folder / "README.md").write_text("# The Worker\n")
    return folder


def test_the_bundle_lies_where_the_configuration_names_it(tmp_path: Path) -> None:
    assert sorted(members(worker(tmp_path, DEPLOYABLE))) == ["LICENSE", "README.md", "dist/index.js", "wrangler.toml"]


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (DEPLOYABLE.replace("dist/", "src/"), "which is not there"),
        (DEPLOYABLE.replace("true", "false"), "asks for a build"),
        (f'{DEPLOYABLE}[build]\ncommand = "make"\n', "asks for a build"),
    ],
)
def test_a_configuration_that_needs_a_build_is_refused(config: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=why):
        members(worker(tmp_path, config))


def test_the_sbom_is_of_the_release_and_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    if not shutil.which("npm"):
        pytest.skip("needs npm")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    document = sbom(ROOT / "worker", "1.2.3")
    assert document == sbom(ROOT / "worker", "1.2.3")
    assert document["metadata"]["component"]["bom-ref"] == "orch-cf-agent-worker@1.2.3"
    assert document["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"
    locked = {part["name"] for part in document["components"]}
    assert "@nats-io/nats-core" in locked
    assert locked.isdisjoint({"wrangler", "typescript", "esbuild"})
    assert "0.0.0" not in json.dumps(document["dependencies"])
