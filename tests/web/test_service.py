# SPDX-License-Identifier: Apache-2.0
"""The whole service in one application: interface and pages, asked by people, programs and fools."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.web.published import Site, site
from tests.web.serving import Reader, served
from weighbridge.client import RegistryClient
from weighbridge_registry.settings import Settings
from weighbridge_schemas.api import Problem
from weighbridge_web.app import create_app


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture(scope="module")
def reader(filled: Site) -> Iterator[Reader]:
    reader = Reader(filled.url)
    yield reader
    reader.close()


def test_an_empty_registry_has_pages_before_anything_is_published(tmp_path: Path) -> None:
    with served(create_app(Settings(data=tmp_path / "data", public_sigstore=False))) as url:
        reader = Reader(url)
        assert f"--registry {url}" in reader.text("/")
        assert "Opened this log" in reader.text("/log")
        assert "entry 0" in reader.text("/log/0").lower()
        assert reader.get("/feed.atom").status == 200
        reader.close()


def test_the_address_that_the_operator_set_is_the_one_on_pages(tmp_path: Path) -> None:
    configured = Settings(data=tmp_path / "data", public_sigstore=False, base_url="https://registry.example/")
    with served(create_app(configured)) as url:
        reader = Reader(url)
        assert "--registry https://registry.example\n" in reader.text("/").replace("</code>", "\n")
        reader.close()


def test_the_interface_keeps_its_own_errors(reader: Reader) -> None:
    for path in ("/api/v1/models/a/b", "/api/v1/nothing", "/tile/x", "/bundles/xyz", "/api/v1/digests/xyz"):
        response = reader.get(path, accept="text/html")
        assert response.headers["Content-Type"] == "application/problem+json", path
        assert Problem.model_validate_json(response.data).status == response.status
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_refused_statement_is_a_problem_for_the_program_that_sent_it(filled: Site) -> None:
    reader = Reader(filled.url)
    response = reader.post("/api/v1/statements", b"{}", "application/json")
    assert response.status == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    reader.close()


def test_what_owners_attached_is_a_download_and_never_a_page(filled: Site, reader: Reader) -> None:
    release = RegistryClient(filled.url).release("tinylab", "hostile", "1.0")
    assert release is not None
    assert release.readme is not None
    response = reader.get(release.readme, accept="text/html")
    assert response.status == 200
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert not response.headers["Content-Type"].startswith("text/html")


def test_the_first_half_of_a_name_leads_to_the_namespace(reader: Reader) -> None:
    response = reader.get("/models/tinylab")
    assert (response.status, response.headers["Location"]) == (308, "/namespaces/tinylab")


@pytest.mark.parametrize(
    "path",
    [
        "/models/%00/%ff",
        "/models/tinylab/%00",
        "/models/tinylab/encoder/%00.json",
        "/models/tinylab/encoder/..%2f..%2fetc",
        "/models/%E2%80%AE/x",
        "/models?q=%00",
        "/models?q=%ff%fe",
        "/models?q=%27%22%3B--",
        "/models?q=%25%25%25",
        "/models?cursor=-1",
        "/models?cursor=99999999999999999999",
        "/models?cursor=9007199254740991",
        "/namespaces/%2e%2e",
        "/namespaces/" + "a" * 5000,
        "/signers/%00",
        f"/signers/{'f' * 64}?cursor=0",
        "/digests/%00",
        f"/digests/sha256:{'0' * 64}",
        "/log/99999999999999999999",
        "/log/9007199254740991",
        "/log/%00",
        "/log?before=0",
        "/log?before=9007199254740991",
        "/log?before=9007199254740992",
        "/badges/a/b/c/d.svg",
        "/badges/%00/b.svg",
        "/models/a/b/c/provenance.jsonl",
        "/%",
        "//evil.example/",
        "/static/",
        "/static/fonts",
        "/feed.atom?x=%00",
    ],
)
def test_a_fool_breaks_nothing(reader: Reader, path: str) -> None:
    response = reader.get(path, accept="text/html")
    assert response.status < 500, response.data[:300]
    assert not response.headers.get("Location", "").startswith("//")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["models", "log", "digests", "signers", "namespaces", "badges", "static", "about"]),
    st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), max_size=3),
    st.text(st.characters(codec="utf-8"), max_size=20),
)
def test_no_address_breaks_a_page(reader: Reader, first: str, parts: list[str], query: str) -> None:
    path = "/".join(["", first, *(quote(part, safe="") for part in parts)])
    assert reader.get(f"{path}?q={quote(query, safe='')}").status < 500
