"""The environment, one row a variable."""

import pytest

from exec_cf.errors import Code, Diagnostic, Refused
from exec_cf.settings import SETTINGS, Settings, applied, check_token_destination, read

NUMBERS = [setting for setting in SETTINGS if setting.cap]


def value(name: str, text: str) -> object:
    (setting,) = [setting for setting in SETTINGS if setting.name == name]
    settings, notes, problems = read({name: text})
    assert (notes, problems) == ([], [])
    return getattr(settings, setting.field)


def test_the_defaults() -> None:
    settings, notes, problems = read({})
    assert (notes, problems) == ([], [])
    assert settings == Settings(
        url="",
        owner="",
        healthcheck=True,
        timeout_ms=5000,
        retries=3,
        bootstrap=True,
        bootstrap_timeout_ms=15_000,
        token="",
        access_client_id="",
        access_client_secret="",
    )


def test_empty_counts_as_unset() -> None:
    assert read({setting.name: "" for setting in SETTINGS}) == read({})


def test_every_row_sets_its_field() -> None:
    assert sorted(setting.field for setting in SETTINGS) == sorted(Settings.__struct_fields__)


@pytest.mark.parametrize("name", ["CF_WORKER_HEALTHCHECK", "CF_WORKER_BOOTSTRAP"])
@pytest.mark.parametrize(
    ("text", "wanted"),
    [*((text, False) for text in ("0", "false", "FALSE", "Off", " 0 ")), *((t, True) for t in ("1", "on", "True"))],
)
def test_switches(name: str, text: str, wanted: bool) -> None:
    assert value(name, text) is wanted


@pytest.mark.parametrize("setting", NUMBERS, ids=lambda setting: setting.name)
@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1e3", "x", "0x10", "1_000", "\u0663", "1 000", " ", "+5", "inf"])
def test_anything_but_a_positive_integer_means_the_default(setting: object, text: str) -> None:
    assert isinstance(setting, type(SETTINGS[0]))
    settings, (note,), problems = read({setting.name: text})
    assert getattr(settings, setting.field) == setting.default
    assert problems == []
    assert note.code is Code.SETTING
    assert str(note).startswith(f"{setting.name}: ")
    assert str(setting.default) in note.hint


@pytest.mark.parametrize("setting", NUMBERS, ids=lambda setting: setting.name)
def test_absurd_numbers_are_capped(setting: object) -> None:
    assert isinstance(setting, type(SETTINGS[0]))
    for text in (str(setting.cap + 1), "9" * 19, "9" * 5000, "1" + "0" * 18):
        settings, (note,), _ = read({setting.name: text})
        assert getattr(settings, setting.field) == setting.cap
        assert str(setting.cap) in note.hint
    for text in (str(setting.cap), f" {setting.cap}\n", "0" * 5000 + str(setting.cap)):
        assert value(setting.name, text) == setting.cap


@pytest.mark.parametrize("name", ["CF_WORKER_HEALTHCHECK", "CF_WORKER_BOOTSTRAP"])
@pytest.mark.parametrize("text", ["no", "n", "disabled", "-0", "0.0", "x"])
def test_what_is_not_a_switch_means_on_and_is_reported(name: str, text: str) -> None:
    settings, (note,), problems = read({name: text})
    assert (settings.healthcheck, settings.bootstrap, problems) == (True, True, [])
    assert (note.code, note.hint) == (Code.SETTING, "using the default, on")
    assert note.message == f'{name}: "{text}" is not one of 0, false, off, 1, true, on'


def test_the_caps() -> None:
    assert {setting.name: setting.cap for setting in NUMBERS} == {
        "CF_WORKER_HEALTHCHECK_TIMEOUT_MS": 600_000,
        "CF_WORKER_HEALTHCHECK_RETRIES": 100,
        "CF_WORKER_BOOTSTRAP_TIMEOUT_MS": 600_000,
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(
            ("CF_WORKER_URL", url)
            for url in (
                "ftp://h",
                "h",
                "//h",
                "https://ann:hush@h",
                "https://h?x",
                "http://h:0",
                "http://127.1",
                "1.2.3.4:80",
            )
        ),
        *(("OPEN_AGENT_OWNER", owner) for owner in ("a.b", "*", ">", "a b", "$a", "a\n", "a\u3164", "a\udcff")),
        *(("CF_WORKER_TOKEN", token) for token in ("hush hush", "hüsh", "hush\r\nX: y", "hush\x00")),
    ],
)
def test_an_invalid_variable_is_64_and_shows_no_secret(name: str, text: str) -> None:
    _, _, (problem,) = read({name: text})
    assert problem.code is Code.ENVIRONMENT
    said = str(problem)
    assert said.startswith(f"{name}: ")
    assert problem.hint
    assert "hush" not in said


@pytest.mark.parametrize("name", ["CF_ACCESS_CLIENT_ID", "CF_ACCESS_CLIENT_SECRET"])
def test_half_a_service_token_is_64(name: str) -> None:
    _, _, (problem,) = read({name: "hush", "CF_WORKER_URL": "https://h"})
    assert problem.code is Code.ENVIRONMENT
    assert "hush" not in str(problem)
    assert str(problem).startswith(f"{name} is set without CF_ACCESS_CLIENT_")
    assert problem.hint == "set both or neither"


SERVICE_TOKEN = {"CF_ACCESS_CLIENT_ID": "id.access", "CF_ACCESS_CLIENT_SECRET": "hush"}


@pytest.mark.parametrize(
    ("base", "url", "refused"),
    [
        ("https://h", "", False),
        ("http://127.0.0.1:8787", "", False),
        ("http://h", "", True),
        ("https://h", "https://h/base", False),
        ("https://other", "https://h", True),
    ],
)
def test_a_service_token_goes_where_the_token_goes(base: str, url: str, refused: bool) -> None:
    settings = read({**SERVICE_TOKEN, "CF_WORKER_URL": url})[0]
    problems = check_token_destination(base, settings)
    assert [problem.code for problem in problems] == [Code.ENVIRONMENT] * refused
    assert "hush" not in "".join(map(str, problems))


def test_a_secret_that_begins_with_another_comes_first() -> None:
    environ = {"CF_WORKER_TOKEN": "ab", "CF_ACCESS_CLIENT_ID": "abc", "CF_ACCESS_CLIENT_SECRET": "abcd"}
    assert read(environ)[0].secrets == ("abcd", "abc", "ab")


def test_every_invalid_variable_is_reported_in_one_run() -> None:
    assert len(read({"CF_WORKER_URL": "x", "OPEN_AGENT_OWNER": "a.b", "CF_WORKER_TOKEN": "a b"})[2]) == 3


@pytest.mark.parametrize(
    ("base", "token", "refused"),
    [
        ("http://h", "t", True),
        ("http://10.0.0.1", "t", True),
        ("http://127.0.0.1.example", "t", True),
        ("http://h", "", False),
        ("https://h", "t", False),
        ("http://127.0.0.1:1", "t", False),
        ("http://localhost", "t", False),
        ("http://[::1]", "t", False),
    ],
)
def test_a_token_crosses_no_network_in_the_clear(base: str, token: str, refused: bool) -> None:
    settings, _, _ = read({"CF_WORKER_TOKEN": token})
    assert bool(check_token_destination(base, settings)) is refused


def test_a_long_base_is_shown_in_part() -> None:
    settings, _, _ = read({"CF_WORKER_TOKEN": "t"})
    (problem,) = check_token_destination("http://h/" + "p" * 8000, settings)
    assert len(str(problem)) < 500


class TestApplied:
    def test_its_diagnostics_come_after_the_reading(self) -> None:
        reported: list[Diagnostic] = []
        with applied({"CF_WORKER_HEALTHCHECK_RETRIES": "x"}, reported.append) as settings:
            assert reported == []
        assert settings.retries == 3
        assert [note.code for note in reported] == [Code.SETTING]

    @pytest.mark.parametrize("token", ["", "a b"])
    def test_all_that_is_wrong_is_raised_at_once_and_nothing_noted(self, token: str) -> None:
        environ = {"CF_WORKER_TOKEN": token, "CF_WORKER_HEALTHCHECK_RETRIES": "x"}
        reported: list[Diagnostic] = []
        with pytest.raises(Refused) as refused, applied(environ, reported.append):
            raise Refused([Diagnostic(Code.VALUE, "of the document")])
        codes = [problem.code for problem in refused.value.problems]
        assert sorted(codes, key=str) == sorted([Code.ENVIRONMENT] * bool(token) + [Code.VALUE], key=str)
        assert reported == []

    def test_a_good_document_does_not_excuse_the_environment(self) -> None:
        reported: list[Diagnostic] = []
        with pytest.raises(Refused), applied({"CF_WORKER_TOKEN": "a b"}, reported.append):
            pass
        assert reported == []
