"""What `install.sh` takes from whom: real servers, with and without TLS, that are honest, wrong or hostile."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.release.conftest import (
    PROGRAM,
    TOOLS,
    VERSION,
    Mirror,
    body,
    install,
    package,
    redirect,
    refused,
    standin,
    toolbox,
)
from tests.support.serving import serving

Run = Callable[..., "subprocess.CompletedProcess[str]"]
NOT_HTTPS = "it redirects to a URL that is not https"
# Where both downloaders look for the system's certificates on Debian.
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Return the authority that this machine trusts in these tests."""
    return trustme.CA()


def box(shell: list[str], downloader: str, folder: Path) -> Path:
    """Return a PATH with *downloader* alone, for *shell*."""
    tools = toolbox(folder, *TOOLS, downloader)
    if downloader == "wget":
        said = subprocess.run(
            [*shell, "-c", "wget --version"], env={"PATH": str(tools)}, capture_output=True, text=True, check=False
        )
        if "GNU Wget" not in said.stdout:
            pytest.skip("needs GNU wget, in a shell that does not run one of its own instead")
    return tools


def shim(folder: Path, text: str) -> None:
    """Put a `curl` of *text* into *folder*."""
    (folder / "curl").write_text(text)
    (folder / "curl").chmod(0o755)


@pytest.fixture(params=["curl", "wget"])
def run(request: pytest.FixtureRequest, shell: list[str], to: Path, tmp_path: Path) -> Run:
    """Return what installs from a URL, with each shell and each downloader that checks certificates."""
    tools = box(shell, request.param, tmp_path / "tools")
    return lambda url, **environ: install("--to", to, "--from", url, under=shell, path=tools, **environ)


@pytest.fixture(params=["curl", "wget", "busybox wget"])
def run_any(request: pytest.FixtureRequest, shell: list[str], to: Path, tmp_path: Path) -> Run:
    """Return the same, also with a downloader that checks none."""
    tools = box(shell, request.param, tmp_path / "tools")
    return lambda url, **environ: install("--to", to, "--from", url, under=shell, path=tools, **environ)


@pytest.fixture
def run_unchecked(shell: list[str], to: Path, tmp_path: Path) -> Run:
    """Return the same, with a downloader that checks none."""
    tools = box(shell, "busybox wget", tmp_path / "tools")
    return lambda url, **environ: install("--to", to, "--from", url, under=shell, path=tools, **environ)


@pytest.fixture(params=["curl", "wget"])
def trusting(request: pytest.FixtureRequest, authority: trustme.CA, shell: list[str], to: Path, tmp_path: Path) -> Run:
    """Return what installs from a URL on a machine whose certificates are the authority's."""
    if os.geteuid() != 0 or not Path(CERTIFICATES).exists():
        pytest.skip("needs root on Debian, to trust an authority of its own in a mount name space")
    tools = box(shell, request.param, tmp_path / "tools")
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    inner = f'{shutil.which("mount")} --bind "$0" {CERTIFICATES} && exec "$@"'
    unshare = shutil.which("unshare") or "unshare"
    under = [unshare, "--mount", "/bin/sh", "-c", inner, f"{tmp_path}/authority.pem", *shell]
    return lambda url, **environ: install("--to", to, "--from", url, under=under, path=tools, **environ)


@pytest.fixture
def mirror(release: Path) -> Iterator[Mirror]:
    """Serve the release over plain http."""
    with serving(Mirror(release)) as server:
        yield server


@pytest.fixture
def secure(release: Path, authority: trustme.CA) -> Iterator[Mirror]:
    """Serve the release over https."""
    with serving(Mirror(release, authority)) as server:
        yield server


@pytest.fixture
def hostile(platform_name: str, tmp_path: Path) -> Iterator[Mirror]:
    """Serve a whole release with another program in it over plain http."""
    (tmp_path / "planted").mkdir()
    planted = package(standin(tmp_path / "planted", "6.6.6"), "6.6.6", platform_name, tmp_path / "hostile")
    with serving(Mirror(planted)) as server:
        yield server


def archive(release: Path) -> str:
    """Return the path at which this platform's archive is served."""
    return f"/{next(release.glob('*.tar.gz')).name}"


def nothing_in(to: Path) -> bool:
    return not to.exists() or not list(to.iterdir())


def test_https_is_fetched_from(trusting: Run, secure: Mirror, to: Path) -> None:
    done = trusting(secure.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{PROGRAM} {VERSION} is in {to}\n")


@pytest.mark.parametrize("location", ["https://{other}{path}", "//{other}{path}", "HTTPS://{other}{path}"])
def test_a_redirect_to_another_https_host_is_followed(
    location: str, trusting: Run, secure: Mirror, release: Path, authority: trustme.CA
) -> None:
    with serving(Mirror(release, authority, "localhost")) as other:
        for path in ("/SHA256SUMS", archive(release)):
            place = location.format(other=f"localhost:{other.server_port}", path=path)
            secure.special[f"/latest{path}"] = redirect(place)
        done = trusting(f"{secure.url}/latest")
        assert (done.returncode, done.stderr) == (0, "")
        assert other.asked == ["/SHA256SUMS", archive(release)]


@pytest.mark.parametrize("location", ["/elsewhere{path}", "../elsewhere{path}", "other{path}"])
def test_a_redirect_within_a_host_is_followed(location: str, trusting: Run, secure: Mirror, release: Path) -> None:
    for folder in ("elsewhere", "latest/other"):
        shutil.copytree(release, release / folder, ignore=shutil.ignore_patterns("elsewhere", "latest"))
    for path in ("/SHA256SUMS", archive(release)):
        secure.special[f"/latest{path}"] = redirect(location.format(path=path))
    done = trusting(f"{secure.url}/latest")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("hops", [["/SHA256SUMS"], ["/SHA256SUMS", "/hop"], ["{archive}"], ["{archive}", "/hop"]])
def test_a_redirect_from_https_to_http_is_refused(
    hops: list[str], trusting: Run, secure: Mirror, hostile: Mirror, to: Path
) -> None:
    hops = [hop.format(archive=archive(secure.folder)) for hop in hops]
    for hop, following in pairwise([*hops, f"{hostile.url}{hops[0]}"]):
        secure.special[hop] = redirect(following)
    refused(trusting(secure.url), f"cannot fetch {secure.url}{hops[0]}: {NOT_HTTPS}", to)
    assert nothing_in(to)
    assert hostile.asked == []


@pytest.mark.parametrize("scheme", ["ftp", "file", "gopher"])
def test_a_redirect_to_anything_else_is_refused(scheme: str, trusting: Run, secure: Mirror, to: Path) -> None:
    secure.special["/SHA256SUMS"] = redirect(f"{scheme}://{secure.folder}/SHA256SUMS")
    refused(trusting(secure.url), NOT_HTTPS, to)


def test_redirects_without_end_are_given_up(trusting: Run, secure: Mirror, to: Path) -> None:
    secure.special["/SHA256SUMS"] = redirect("/SHA256SUMS")
    done = trusting(secure.url)
    refused(done, f"cannot fetch {secure.url}/SHA256SUMS: ", to)
    assert len(secure.asked) < 20


@pytest.mark.parametrize("wrong", ["authority", "name"])
def test_a_server_that_cannot_prove_who_it_is_is_refused(
    wrong: str, trusting: Run, release: Path, authority: trustme.CA, to: Path
) -> None:
    issuer, name = (trustme.CA(), None) if wrong == "authority" else (authority, "mirror.example")
    with serving(Mirror(release, issuer, name=name)) as server:
        done = trusting(server.url)
        refused(done, "certificate", to)
        assert nothing_in(to)
        assert server.asked == []


CARELESS = {
    ".curlrc": "insecure\ninclude\nremote-name\nproxy = http://127.0.0.1:9\n",
    ".wgetrc": "check_certificate = off\nsave_headers = on\nhttps_proxy = http://127.0.0.1:9\n",
}


@pytest.fixture
def careless(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which the user's settings say to check nothing, and to write something else."""
    home = tmp_path / "home"
    home.mkdir()
    for name, text in CARELESS.items():
        (home / name).write_text(text)
    return {"HOME": str(home), "CURL_HOME": str(home), "WGETRC": f"{home}/.wgetrc", "SYSTEM_WGETRC": f"{home}/.wgetrc"}


def test_the_users_settings_turn_no_check_off(careless: dict[str, str], trusting: Run, release: Path, to: Path) -> None:
    with serving(Mirror(release, trustme.CA())) as server:
        done = trusting(server.url, **careless)
        refused(done, "certificate", to)
        assert server.asked == []


def test_the_users_settings_change_nothing(careless: dict[str, str], run: Run, mirror: Mirror, to: Path) -> None:
    done = run(mirror.url, **careless)
    assert (done.returncode, done.stderr) == (0, "")
    assert (to / PROGRAM).exists()


@pytest.mark.parametrize("broken", ["HOME", "WGETRC", "SYSTEM_WGETRC"])
def test_settings_that_wget_cannot_read_change_nothing(
    broken: str, run: Run, mirror: Mirror, to: Path, tmp_path: Path
) -> None:
    (tmp_path / ".wgetrc").write_text("garbage !!!\n")
    done = run(mirror.url, **{broken: str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "")
    assert (to / PROGRAM).exists()


def test_a_wget_that_checks_no_certificate_is_refused_https(run_unchecked: Run, secure: Mirror, to: Path) -> None:
    done = run_unchecked(secure.url)
    refused(done, "the wget here does not check certificates: install curl or GNU wget", to)
    assert secure.asked == []


def test_such_a_wget_will_do_for_this_machine(run_unchecked: Run, mirror: Mirror, to: Path) -> None:
    done = run_unchecked(mirror.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert (to / PROGRAM).exists()


def test_such_a_wget_installs_nothing_after_a_redirect(
    run_unchecked: Run, mirror: Mirror, hostile: Mirror, to: Path
) -> None:
    mirror.special["/SHA256SUMS"] = redirect(f"{hostile.url}/SHA256SUMS")
    done = run_unchecked(mirror.url)
    refused(done, "it redirects: install curl or GNU wget", to)
    assert nothing_in(to)


def test_a_redirect_of_this_machine_leads_to_https_only(run: Run, mirror: Mirror, hostile: Mirror, to: Path) -> None:
    mirror.special["/SHA256SUMS"] = redirect(f"{hostile.url}/SHA256SUMS")
    done = run(mirror.url)
    refused(done, NOT_HTTPS, to)
    assert hostile.asked == []


def test_this_machine_is_not_asked_through_a_proxy(run_any: Run, mirror: Mirror, hostile: Mirror) -> None:
    done = run_any(mirror.url, **dict.fromkeys(["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"], hostile.url))
    assert (done.returncode, done.stderr) == (0, "")
    assert hostile.asked == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.10", "::1"])
def test_plain_http_may_come_from_this_machine(host: str, run: Run, release: Path) -> None:
    with serving(Mirror(release, host=host)) as server:
        for url in (server.url, server.url.replace("http", "HTTP")):
            done = run(url)
            assert (done.returncode, done.stderr) == (0, "")


def test_brackets_in_a_path_are_no_pattern(run: Run, release: Path) -> None:
    shutil.copytree(release, release / "[1-2]", ignore=shutil.ignore_patterns("[[]1-2[]]"))
    with serving(Mirror(release)) as server:
        done = run(f"{server.url}/[1-2]")
        assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def run_offline(shell: list[str], to: Path, tmp_path: Path) -> Run:
    """Return what installs from a URL with a downloader that reaches nothing, and says so when it is called."""
    tools = toolbox(tmp_path / "tools", *TOOLS)
    shim(tools, "#!/bin/sh\necho 'curl: called' >&2\nexit 7\n")
    return lambda url, **environ: install("--to", to, "--from", url, under=shell, path=tools, **environ)


ELSEWHERE = [
    "http://mirror.example/orch",
    "HTTP://mirror.example",
    "http://10.0.0.1",
    "http://128.0.0.1",
    "http://0.0.0.0",
    "http://127.0.0.1.mirror.example",
    "http://127.0.0.1.1",
    "http://127.0.0.256",
    "http://127.0.0.1111",
    "http://127.mirror.example",
    "http://127",
    "http://localhost.mirror.example",
    "http://mylocalhost",
    "http://localhost@mirror.example",
    "http://127.0.0.1:80@mirror.example",
    "http://[::2]",
    "http://[::1.mirror.example]",
    "http://[::ffff:10.0.0.1]",
]


@pytest.mark.parametrize("url", ELSEWHERE)
def test_plain_http_from_anywhere_else_is_refused(url: str, run_offline: Run, to: Path) -> None:
    done = run_offline(url)
    refused(done, "is neither https nor on this machine: use https", to)
    assert done.returncode == 64
    assert not to.exists()


INVALID = [
    "https://",
    "https:///orch",
    "https://mirror.example/a b",
    "https://mirror.example/orch?token=hush",
    "https://mirror.example/orch#hush",
    "https://mirror.example:port",
    "https://mirror.example:",
    "https://[::1",
    "https://::1",
    "https://[::1]x/",
    "https://mirror.example/{a,b}",
    "https://mirror.example\\@127.0.0.1",
    "http://127.0.0.1\\@mirror.example",
    "http://localhost\n.mirror.example",
    "https://me:hu/sh@mirror.example",
    "https://me:80/hush@mirror.example",
    "https://münchen.example",
    "ftp://mirror.example",
    "file:///tmp",
    "mirror.example",
    "--insecure",
]


@pytest.mark.parametrize("url", INVALID)
def test_a_url_that_is_not_one_is_refused_without_a_word_of_it(url: str, run_offline: Run, to: Path) -> None:
    done = run_offline(url)
    refused(done, "the URL to download from is not valid", to)
    assert done.returncode == 64
    assert "hu" not in done.stderr
    assert not to.exists()


def test_credentials_are_used_but_never_shown(run: Run, mirror: Mirror, release: Path) -> None:
    url = mirror.url.replace("://", "://me:hush@")
    said = [run(url)]
    assert said[0].returncode == 0, said[0].stderr
    html = body(b"<html>nothing</html>\n")
    empty = body(f"{'0' * 64}  other.tar.gz\n".encode())
    twice = body(b"".join(sorted((release / "SHA256SUMS").read_bytes().splitlines(keepends=True) * 2)))
    other = body(f"{'0' * 64}  {archive(release)[1:]}\n".encode())
    for answer in (html, empty, twice, other, redirect("http://127.0.0.1:9/"), body(b"cut", 100)):
        mirror.special["/SHA256SUMS"] = answer
        said.append(run(url))
    said.append(run(f"{url}/none"))
    said.append(run("http://me:hush@127.0.0.1:9"))
    for done in said:
        assert "hush" not in done.stdout + done.stderr
    assert all(done.returncode for done in said[1:])
    assert "http://***@127.0.0.1:9/SHA256SUMS" in said[-1].stderr


def test_a_url_that_is_refused_does_not_show_its_credentials(run_offline: Run, to: Path) -> None:
    done = run_offline("http://me:hush@mirror.example")
    refused(done, "http://***@mirror.example is neither https nor on this machine", to)
    assert "hush" not in done.stderr


def cut_off(sums: bytes) -> bytes:
    return sums[:-10]


def with_carriage_returns(sums: bytes) -> bytes:
    return sums.replace(b"\n", b"\r\n")


def in_a_page(sums: bytes) -> bytes:
    return b"<!doctype html>\n" + sums


def with_nulls(sums: bytes) -> bytes:
    return sums + b"\0" * 100 + b"\n"


def nothing(_: bytes) -> bytes:
    return b""


def with_paths(sums: bytes) -> bytes:
    return sums.replace(b"  ", b"  ../")


def in_the_wide(sums: bytes) -> bytes:
    return sums.decode().encode("utf-16")


NO_LISTS = [cut_off, with_carriage_returns, in_a_page, with_nulls, nothing, with_paths, in_the_wide]


@pytest.mark.parametrize("spoil", NO_LISTS, ids=lambda spoil: spoil.__name__)
def test_what_is_not_a_list_of_checksums_is_called_so(
    spoil: Callable[[bytes], bytes], shell: list[str], mirror: Mirror, release: Path, to: Path
) -> None:
    sums = release / "SHA256SUMS"
    sums.write_bytes(spoil(sums.read_bytes()))
    done = install("--to", to, "--from", mirror.url, under=shell)
    refused(done, f"{mirror.url}/SHA256SUMS is not a list of checksums", to)
    assert len(done.stderr.splitlines()) == 1


def test_a_page_in_the_place_of_the_archive_is_not_what_was_released(
    run: Run, mirror: Mirror, release: Path, to: Path
) -> None:
    mirror.special[archive(release)] = body(b"<!doctype html><title>Sign in</title>")
    done = run(mirror.url)
    refused(done, "is not what was released", to)
    assert nothing_in(to)


@pytest.mark.parametrize("what", ["SHA256SUMS", "archive"])
def test_a_download_that_ends_early_is_not_used(what: str, run: Run, mirror: Mirror, release: Path, to: Path) -> None:
    path = "/SHA256SUMS" if what == "SHA256SUMS" else archive(release)
    data = (release / path[1:]).read_bytes()
    # Cut at the end of a line, so that only the length tells.
    kept = data[: data.index(b"\n") + 1] if what == "SHA256SUMS" else data[:-1]
    mirror.special[path] = body(kept, len(data) + 1)
    done = run(mirror.url)
    refused(done, f"cannot fetch {mirror.url}{path}: ", to)
    assert nothing_in(to)


def flood(handler: Any) -> None:
    """Answer with far more than was asked for."""
    handler.send_response(200)
    handler.end_headers()
    with suppress(OSError):
        for _ in range(1000):
            handler.wfile.write(b"0" * 65536)


def test_a_flood_is_cut_off(run: Run, mirror: Mirror, to: Path) -> None:
    mirror.special["/SHA256SUMS"] = flood
    done = run(mirror.url)
    refused(done, "it is larger than any release", to)


def hostile_status(handler: Any) -> None:
    """Answer with a status line that would colour a terminal."""
    handler.wfile.write(b"HTTP/1.1 404 \x1b[31mred\r\nContent-Length: 0\r\n\r\n")
    handler.close_connection = True


def test_what_a_server_says_does_not_reach_the_terminal_as_it_is(run_any: Run, mirror: Mirror, to: Path) -> None:
    mirror.special["/SHA256SUMS"] = hostile_status
    done = run_any(mirror.url)
    refused(done, "404", to)
    assert "\x1b" not in done.stderr


def test_a_server_that_is_not_there_is_named(run_any: Run, to: Path, tmp_path: Path) -> None:
    with serving(Mirror(tmp_path)) as gone:
        url = gone.url
    done = run_any(url)
    refused(done, f"cannot fetch {url}/SHA256SUMS: ", to)
    assert len(done.stderr.splitlines()) == 1


CONFINED = """\
#!/bin/sh
# As a snap: no file below a hidden folder can be written, by name or as what stdout leads to.
case $(readlink /proc/$$/fd/1)" $*" in */.*) echo "curl: (23) Failed writing" >&2; exit 23 ;; esac
exec {curl} "$@"
"""
BROKEN = "#!/bin/sh\necho 'curl: option --globoff: is unknown' >&2\nexit {code}\n"


def test_a_downloader_need_not_write_into_hidden_folders(shell: list[str], mirror: Mirror, tmp_path: Path) -> None:
    tools = toolbox(tmp_path / "tools", *TOOLS, "readlink")
    shim(tools, CONFINED.format(curl=shutil.which("curl")))
    done = install("--from", mirror.url, under=shell, path=tools, HOME=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / ".local/bin" / PROGRAM).exists()


@pytest.mark.parametrize("code", [2, 4, 127, 139])
def test_the_next_downloader_is_tried(code: int, shell: list[str], mirror: Mirror, to: Path, tmp_path: Path) -> None:
    tools = box(shell, "wget", tmp_path / "tools")
    shim(tools, BROKEN.format(code=code))
    done = install("--to", to, "--from", mirror.url, under=shell, path=tools)
    assert (done.returncode, done.stderr) == (0, "")
    assert (to / PROGRAM).exists()


def test_where_all_fail_the_first_is_reported(shell: list[str], mirror: Mirror, to: Path, tmp_path: Path) -> None:
    tools = box(shell, "wget", tmp_path / "tools")
    shim(tools, BROKEN.format(code=2))
    mirror.special["/SHA256SUMS"] = body(b"cut", 100)
    done = install("--to", to, "--from", mirror.url, under=shell, path=tools)
    refused(done, "option --globoff: is unknown", to)
