# SPDX-License-Identifier: Apache-2.0
"""`weighbridge lineage show`: the releases around one, as a registry gives them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from weighbridge_cli.options import EXISTING, json_option, registry_option

if TYPE_CHECKING:
    from weighbridge.client import RegistryClient
    from weighbridge_schemas.api import (
        GraphEdge,
        LicenseCheck,
        LineageGraph,
        LineageNode,
        StatedLicense,
    )

LEVELS = (
    "says so",
    "names the exact parent",
    "parent is registered here",
    "tables match",
    "re-checked",
)
"""Evidence levels 0 to 4 in words (DESIGN section 5)."""

_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
MOST_STEPS = 10
"""Steps that a registry follows."""


@click.command("show")
@click.argument("what", metavar="NS/NAME[@VERSION]|DIGEST")
@click.option(
    "--up", type=click.IntRange(0, MOST_STEPS), default=1, help="Steps to parents (1).", metavar="N"
)
@click.option(
    "--down", type=click.IntRange(0, MOST_STEPS), default=1, help="Steps to children (1).", metavar="N"
)
@click.option(
    "--policy",
    type=EXISTING,
    metavar="F",
    help="Count the re-checks of this policy's reviewers: level 4.",
)
@registry_option
@json_option
def command(
    what: str, *, up: int, down: int, policy: Path | None, registry: str | None, as_json: bool
) -> None:
    """Show what a release was made from and what was made from it, with the evidence for each step.

    Also what nobody declared and the registry noticed in the tensors. Exit code 1 if it is unknown there.
    """
    from weighbridge_cli import terminal
    from weighbridge_cli.registries import open_registry

    client = open_registry(registry)
    graph = client.lineage(digest_of(what, client), up=up, down=down)
    if policy is not None:
        graph = _rechecked(graph, client, policy)
    if as_json:
        terminal.print_json({"v": 1, "graph": graph.model_dump(mode="json", by_alias=True)})
    elif not graph.nodes:
        terminal.put(f"Unknown to {client.url}: {what}")
    else:
        for line in (*tree(graph), *_data(graph, client)):
            terminal.put(line)
        if graph.truncated:
            terminal.note("There is more than is shown here.")
        terminal.note(
            f"This is the word of {client.url}; the tensors you can compare yourself: lineage check"
        )
    click.get_current_context().exit(0 if graph.nodes else 1)


def _rechecked(graph: LineageGraph, client: RegistryClient, path: Path) -> LineageGraph:
    """Raise the edges that a reviewer of a policy re-checked: each statement is fetched and authenticated."""
    from weighbridge.policy import MAX_POLICY_BYTES
    from weighbridge.verification import read_bounded, recheck
    from weighbridge_cli import terminal

    graph, doubts = recheck(graph, client, policy=read_bounded(path, MAX_POLICY_BYTES, "policy"))
    for doubt in doubts:
        terminal.warn(f"not counted: {doubt}")
    return graph


def digest_of(what: str, client: RegistryClient) -> str:
    """Return the digest that is asked for: as given, or of the named release's statement."""
    from weighbridge.errors import InputError
    from weighbridge.releases import ReleaseName

    if found := _DIGEST.fullmatch(what):
        return found[1]
    namespace, slash, name = what.partition("/")
    if slash and "@" not in what:
        release = client.release(namespace, name)
    else:
        wanted = ReleaseName.parse(what)
        release = client.release(wanted.namespace, wanted.name, wanted.version)
    if release is None:
        raise InputError(f"{client.url} has no release {what}")
    return release.statement.removeprefix("sha256:")


def tree(graph: LineageGraph) -> Iterator[str]:
    """Yield the lines of a graph as a text: each release asked for, its parents and children indented.

    A release that was shown is not followed again, so that a graph of many ways stays short and one that
    runs in a circle ends.
    """
    nodes = {node.statement: node for node in graph.nodes if node.statement}
    for root in (node for node in graph.nodes if node.generation == 0):
        yield _title(root)
        for up in (True, False):
            yield from _branch(graph, nodes, root, up=up)
            yield from _more(root, "  ", up=up)


def _data(graph: LineageGraph, client: RegistryClient) -> Iterator[str]:
    """Yield the data sets of the release asked for; of a digest that several releases have, of none."""
    roots = [node for node in graph.nodes if node.generation == 0]
    if len(roots) != 1 or roots[0].namespace is None or roots[0].model is None:
        return
    release = client.release(roots[0].namespace, roots[0].model, roots[0].version)
    for use in release.lineage.datasets if release is not None and release.lineage is not None else ():
        stage = f" ({use.stage})" if use.stage else ""
        yield f"  made with {use.name}{stage}: {' '.join(use.evidence)}"
        yield from (f"    {words}" for words in license_lines(use.license, "data set"))


def license_lines(check: LicenseCheck | None, other: str = "parent") -> Iterator[str]:
    """Say what the stated licences of the ends of an edge are to each other, and where they are stated."""
    if check is None:
        return
    yield f"{'LICENCES, LOOK: ' if check.result == 'conflict' else 'Licences: '}{check.words}"
    if check.result == "conflict":
        for whose, stated in (("child", check.child), (other, check.parent)):
            if stated is not None:
                yield f"  {whose}: {_stated(stated)}"


def _stated(stated: StatedLicense) -> str:
    """Say where a licence is stated and where its text is."""
    parts = [stated.spdx or stated.text or "", f"for the {stated.of}" if stated.of != "data set" else ""]
    parts += [stated.url or "", f"file {stated.path}" if stated.path is not None else ""]
    parts += [f"SHA-256 {stated.sha256}" if stated.sha256 is not None else ""]
    parts += [f"in statement {stated.statement}" if stated.statement is not None else ""]
    return ", ".join(part for part in parts if part)


def _branch(
    graph: LineageGraph, nodes: dict[str, LineageNode], root: LineageNode, *, up: bool
) -> Iterator[str]:
    seen = {root.statement}
    waiting = list(reversed(_steps(graph, root, up=up, depth=1)))
    while waiting:
        depth, edge = waiting.pop()
        reached = edge.parent_statement if up else edge.child_statement
        node = nodes.get(reached or "")
        name = _title(node) if node else edge.name or edge.parent or "somebody's model"
        indent = "  " * depth
        yield f"{indent}{'made from' if up else 'source of'} {name}{_remark(edge)}"
        for words in edge.evidence:
            yield f"{indent}  {words}"
        yield from (f"{indent}  {words}" for words in license_lines(edge.license))
        if node is None or node.statement in seen:
            continue
        seen.add(node.statement)
        waiting += reversed(_steps(graph, node, up=up, depth=depth + 1))
        yield from _more(node, f"{indent}  ", up=up)


def _more(node: LineageNode, indent: str, *, up: bool) -> Iterator[str]:
    """Say how many declared steps from a release are not in the answer."""
    if count := node.more_up if up else node.more_down:
        yield f"{indent}and {count} more, with {'--up' if up else '--down'}"


def _steps(graph: LineageGraph, node: LineageNode, *, up: bool, depth: int) -> list[tuple[int, GraphEdge]]:
    """Return the edges that leave a release in one direction, declared ones first."""
    found = [
        edge
        for edge in graph.edges
        if node.statement is not None
        and (edge.child_statement if up else edge.parent_statement) == node.statement
    ]
    return [(depth, edge) for edge in sorted(found, key=lambda edge: not edge.declared)]


def _title(node: LineageNode) -> str:
    if node.namespace is None:
        return node.name or node.digest or "unknown"
    from weighbridge_cli.terminal import short

    signed = f", signed by {short(node.signer.label)}" if node.signer else ""
    state = f", {node.state}" if node.state and node.state != "released" else ""
    return f"{node.namespace}/{node.model}@{node.version}{state}{signed}"


def _remark(edge: GraphEdge) -> str:
    """Say how, on what evidence, and whether anybody declared it."""
    how = f" ({edge.relation})" if edge.relation else ""
    if not edge.declared:
        return f"{how}: nobody declared that, the registry noticed it"
    against = ", CONTRADICTED by the tensors" if edge.contradicted else ""
    from weighbridge_cli.terminal import short

    said = "".join(f", {one.stance} by {short(one.signer.label)}" for one in edge.positions)
    return f"{how}: {LEVELS[edge.level]}{against}{said}"
