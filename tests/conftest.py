# SPDX-License-Identifier: Apache-2.0
"""What every test gets: a clean environment, honest skips, and one table of what did not run.

- `@pytest.mark.needs("chromium", "openssl")` skips where a program is missing (see tests/programs.py).
- Under CI=true a skip of any kind is a failure: a machine that lacks something must not look green.
- Nothing here reads or writes the configuration of the person who runs the suite.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests import homes, programs
from tests.fuzzing import FACTOR
from tests.local_sigstore.fixtures import local_sigstore
from tests.registries import registry

__all__ = ["local_sigstore", "registry"]  # fixtures that live beside the servers that they start

# xdist's workers inherit the environment, so the first process of a run decides for all of them.
_STRICT = "WEIGHBRIDGE_TESTS_STRICT"
_FOREIGN = (
    "CI",
    "NO_COLOR",
    "FORCE_COLOR",
    "WEIGHBRIDGE_CONFIG_DIR",
    "WEIGHBRIDGE_DEBUG",
    "WEIGHBRIDGE_KEY",
    "WEIGHBRIDGE_REGISTRY",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "CIRCLECI",
    "BUILDKITE",
    "SIGSTORE_ID_TOKEN",
)

hypothesis.settings.register_profile(
    "weighbridge",
    deadline=None,  # a busy machine is slow, not wrong
    derandomize=FACTOR == 1,  # the same run twice gives the same answer, unless it is `make fuzz`
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("weighbridge")


def pytest_configure(config: pytest.Config) -> None:
    """Remember whether this is CI, then take that and all personal settings out of the environment."""
    if _STRICT not in os.environ:
        ci = os.environ.get("CI", "").strip().lower()
        os.environ[_STRICT] = "1" if ci not in {"", "0", "false", "no"} else "0"
    for name in _FOREIGN:
        os.environ.pop(name, None)


def _strict() -> bool:
    return os.environ.get(_STRICT) == "1"


@pytest.fixture(scope="session", autouse=True)
def _no_personal_settings() -> Iterator[None]:
    """A configuration folder of this run's own, for code that forgets to be given one."""
    with (
        tempfile.TemporaryDirectory(prefix="weighbridge-tests-") as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("WEIGHBRIDGE_CONFIG_DIR", folder)
        yield


@pytest.fixture
def config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration folder for one test; processes that the test starts use it too."""
    folder = tmp_path / "config"
    monkeypatch.setenv("WEIGHBRIDGE_CONFIG_DIR", str(folder))
    return folder


@pytest.fixture(scope="session")
def moving() -> Iterator[homes.Home]:
    """One PostgreSQL cluster and one S3 server for all tests of a process that move."""
    with homes.running_home() as one:
        yield one


@pytest.fixture(scope="session", autouse=True)
def _moved_for_good(request: pytest.FixtureRequest) -> Iterator[None]:
    """`make test-postgres`: everything of the run lives there."""
    if os.environ.get(homes.VARIABLE) != homes.MOVED:
        yield
        return
    with homes.moved(request.getfixturevalue("moving")):
        yield


@pytest.fixture(autouse=True)
def home(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where registries of this test live (tests/homes.py); both, one after the other, if `everywhere`."""
    where = getattr(request, "param", homes.FILES)
    if where == homes.FILES:
        yield where
        return
    with homes.moved(request.getfixturevalue("moving")):
        yield where


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make two tests of one that is for everywhere."""
    if metafunc.definition.get_closest_marker("everywhere") and homes.VARIABLE not in os.environ:
        moved = pytest.param(homes.MOVED, marks=pytest.mark.needs("postgresql", "unprivileged"))
        metafunc.parametrize("home", [homes.FILES, moved], indirect=True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a program that is not here."""
    reasons = [
        reason
        for marker in item.iter_markers("needs")
        for tool in marker.args
        if (reason := programs.missing(tool)) is not None
    ]
    if reasons:
        pytest.skip("; ".join(dict.fromkeys(reasons)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under CI a skipped test is a failed one."""
    report = yield
    if report.skipped and _strict() and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped, and under CI=true a skip fails: {_reason(report)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Under CI a skipped module is a failed one."""
    report = yield
    if report.skipped and _strict():
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid}: skipped, and under CI=true a skip fails: {_reason(report)}"
    return report


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Words of a skip, which pytest keeps as (file, line, "Skipped: words")."""
    words = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return words.removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One table of what did not run here, and why."""
    by_reason: dict[str, list[str]] = {}
    for report in terminalreporter.stats.get("skipped", []):
        by_reason.setdefault(_reason(report), []).append(report.nodeid)
    if not by_reason:
        return
    terminalreporter.section("not run on this machine", sep="-")
    terminalreporter.write_line(f"{'tests':>5}  why, and how to get it")
    for reason, tests in sorted(by_reason.items()):
        terminalreporter.write_line(f"{len(tests):>5}  {reason}")
        names = sorted(test.rsplit("::", 1)[-1] for test in tests)
        terminalreporter.write_line(f"       {', '.join(names[:3])}{', …' if names[3:] else ''}")
