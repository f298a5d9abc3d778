from pathlib import Path

import pytest
from project_page import absolute_links, project_page

REPOSITORY = "https://forge.example/owner/name"
BASE = f"{REPOSITORY}/blob/v1.2.3"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[a](docs/a.md)", f"[a]({BASE}/docs/a.md)"),
        ("[a](./docs/a.md#part)", f"[a]({BASE}/docs/a.md#part)"),
        ("![a](a.png)", f"![a]({REPOSITORY}/raw/v1.2.3/a.png)"),
        ("[![a](a.png)](b.md)", f"[![a]({REPOSITORY}/raw/v1.2.3/a.png)]({BASE}/b.md)"),
        ("[a](#part)", "[a](#part)"),
        ("[a](https://example.com/b)", "[a](https://example.com/b)"),
        ("[a](mailto:someone@example.com)", "[a](mailto:someone@example.com)"),
        ("a (docs/a.md)", "a (docs/a.md)"),
    ],
)
def test_relative_links_lead_to_the_release(text: str, wanted: str) -> None:
    assert absolute_links(text, REPOSITORY, "v1.2.3") == wanted


def test_where_no_repository_is_known_the_readme_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "README.md").write_text("[a](docs/a.md)")
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    assert project_page(tmp_path, "1.2.3") == "[a](docs/a.md)"
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://forge.example")
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
    assert project_page(tmp_path, "1.2.3") == f"[a]({BASE}/docs/a.md)"
