# SPDX-License-Identifier: Apache-2.0
"""Generate what follows from the documents: JSON Schemas, test vectors, tables of the spec pages.

    python schemas/generate.py           write what changed
    python schemas/generate.py --check   say what would change and exit 1

Sources are the pydantic models, `schemas/examples/*.json` (written by hand: one valid predicate
per kind and the ways to break it), and the prose of `docs/spec/*.md`, in which only the blocks
between `<!-- generated: … -->` and `<!-- end -->` are replaced. Every valid vector must pass the
strict reader and every invalid one must fail it, or nothing is written.
"""

from __future__ import annotations

import argparse
import ast
import copy
import difflib
import functools
import inspect
import json
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "schemas"), str(ROOT / "cli")]

from pydantic import BaseModel, TypeAdapter  # noqa: E402 - the clone's own packages come first
from pydantic.json_schema import JsonSchemaMode, models_json_schema  # noqa: E402

import bundle_vectors  # noqa: E402 - beside this script
import license_list  # noqa: E402 - beside this script
import resemblance_vectors  # noqa: E402 - beside this script
from weighbridge import canonical, dsse, identities, leaves, license_terms, openness, tlog, weighing  # noqa: E402
from weighbridge.errors import StatementError  # noqa: E402
from weighbridge.statements import PAYLOAD_TYPE, abstract_subject, parse_statement  # noqa: E402
from weighbridge_schemas import api, base, reports  # noqa: E402
from weighbridge_schemas.card import Card  # noqa: E402
from weighbridge_schemas.kinds import PREDICATES, kind_of  # noqa: E402
from weighbridge_schemas.names import STATEMENT_TYPE, predicate_type  # noqa: E402
from weighbridge_schemas.policy import Policy  # noqa: E402
from weighbridge_schemas.reports import forms  # noqa: E402

EXAMPLES = ROOT / "schemas" / "examples"
PACKAGE = ROOT / "schemas" / "weighbridge_schemas"
SPEC = ROOT / "docs" / "spec"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
BASE64 = TypeAdapter(api.parts.Base64).json_schema()["pattern"]
BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
KINDS = {kind_of(type_): (type_, model) for type_, model in PREDICATES.items()}


def main() -> int:
    """Write or compare everything; returns the exit code."""
    parser = argparse.ArgumentParser(description="Generate schemas, vectors and tables of the spec.")
    parser.add_argument(
        "--check", action="store_true", help="change nothing, exit 1 if something would change"
    )
    check = parser.parse_args().check
    changed = [path for path, text in generated() if _differs(path, text, write=not check)]
    for path in changed:
        print(f"{'stale' if check else 'wrote'}: {path.relative_to(ROOT)}")
    if check and changed:
        print("Run: python schemas/generate.py")
    return 1 if check and changed else 0


def generated() -> Iterator[tuple[Path, str]]:
    """Yield every generated file with what it should hold."""
    yield from _schema_files()
    yield from _vector_files()
    yield ROOT / "cli" / "weighbridge" / "openness" / "spdx_list.py", license_list.module()
    for page in sorted(SPEC.glob("*.md")):
        yield page, _filled(page)


def _filled(page: Path) -> str:
    """Return a spec page with its generated blocks made anew."""
    return BLOCK.sub(lambda found: f"{found[1]}{_block(page.stem, found[2])}{found[3]}", page.read_text())


def _differs(path: Path, text: str, *, write: bool) -> bool:
    old = path.read_text() if path.exists() else ""
    if old == text:
        return False
    if write:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    else:
        diff = difflib.unified_diff(
            old.splitlines(), text.splitlines(), str(path), "generated", lineterm="", n=1
        )
        print("\n".join(list(diff)[:20]))
    return True


# --- JSON Schemas ------------------------------------------------------------------------------


def _schema_files() -> Iterator[tuple[Path, str]]:
    for kind, (type_, model) in KINDS.items():
        schema = {"$schema": DIALECT, "$id": type_, **model.model_json_schema()}
        yield PACKAGE / "schema" / f"{kind}.schema.json", _pretty(schema)
    yield PACKAGE / "schema" / "api.schema.json", _pretty(_api_schema())
    policy_schema = {"$schema": DIALECT, "$id": "https://weighbridge/policy/v1", **Policy.model_json_schema()}
    yield PACKAGE / "schema" / "policy.schema.json", _pretty(policy_schema)
    yield PACKAGE / "schema" / "reports.schema.json", _pretty(_report_schema())


def _api_models() -> list[type[BaseModel]]:
    exported = [getattr(api, name) for name in api.__all__]
    return [model for model in exported if inspect.isclass(model) and issubclass(model, BaseModel)]


def _api_schema() -> dict[str, Any]:
    """Return one schema with every API document under `$defs`."""
    _, schema = models_json_schema(
        [(model, "serialization") for model in _api_models()], title="Documents of the API"
    )
    return {"$schema": DIALECT, "$id": "https://weighbridge/api/v1", **schema}


def _report_schema() -> dict[str, Any]:
    """Return one schema with every report of the command line under `$defs`."""
    models = [getattr(reports, name) for name in reports.__all__]
    _, schema = models_json_schema(
        [(model, "validation") for model in models], title="Reports of the command line"
    )
    return {"$schema": DIALECT, "$id": "https://weighbridge/reports/v1", **schema}


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


# --- vectors -----------------------------------------------------------------------------------


def _vector_files() -> Iterator[tuple[Path, str]]:
    for kind in KINDS:
        yield PACKAGE / "vectors" / f"{kind}.json", _pretty(_vectors(kind))
    yield PACKAGE / "vectors" / "digests.json", _pretty(_digest_vectors())
    yield PACKAGE / "vectors" / "openness.json", _pretty(_openness_vectors())
    yield PACKAGE / "vectors" / "license-terms.json", _pretty(_license_vectors())
    yield PACKAGE / "vectors" / "bundles.json", _pretty(bundle_vectors.document())
    yield PACKAGE / "vectors" / "resemblance.json", _pretty(resemblance_vectors.document())


def _example(name: str) -> dict[str, Any]:
    example: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text())
    return example


def _statement(kind: str) -> dict[str, Any]:
    example = _example(kind)
    subject = {"name": example["subject"]["name"], "digest": {"sha256": example["subject"]["sha256"]}}
    return {
        "_type": STATEMENT_TYPE,
        "subject": [subject],
        "predicateType": predicate_type(kind),
        "predicate": example["predicate"],
    }


def _vectors(kind: str) -> dict[str, Any]:
    statement, example = _statement(kind), _example(kind)
    valid = [{"name": "example"}, *example["variants"]]
    return {
        "kind": kind,
        "predicate_type": predicate_type(kind),
        "payload_type": PAYLOAD_TYPE,
        "valid": [_accepted(case["name"], _changed(statement, case)) for case in valid],
        "invalid": [_refused(case, _changed(statement, case)) for case in example["invalid"]],
    }


def _accepted(name: str, payload: bytes) -> dict[str, Any]:
    parse_statement(payload, strict=True)
    digest = dsse.statement_digest(PAYLOAD_TYPE, payload)
    return {"name": name, "payload": payload.decode(), "statement_digest": _tagged(digest)}


def _refused(case: dict[str, Any], payload: bytes) -> dict[str, Any]:
    try:
        parse_statement(payload, strict=True)
    except StatementError:
        return {"name": case["name"], "reason": case["reason"], "payload": payload.decode()}
    raise SystemExit(f"the vector {case['name']} should be refused and is not")


def _changed(statement: dict[str, Any], case: dict[str, Any]) -> bytes:
    """Change a statement in one way: `set` and `remove` take JSON pointers, `replace` takes text."""
    value = copy.deepcopy(statement)
    for pointer, new in case.get("set", {}).items():
        parent, last = _parent(value, pointer)
        if isinstance(parent, list) and int(last) == len(parent):
            parent.append(new)
        elif isinstance(parent, list):
            parent[int(last)] = new
        else:
            parent[last] = new
    for pointer in case.get("remove", []):
        parent, last = _parent(value, pointer)
        del parent[int(last) if isinstance(parent, list) else last]
    text = canonical.encode(value).decode()
    if "replace" in case:
        old, new = case["replace"]
        if text.count(old) != 1:
            raise SystemExit(f"{case['name']}: the text to replace is there {text.count(old)} times")
        text = text.replace(old, new)
    return text.encode()


def _parent(value: Any, pointer: str) -> tuple[Any, str]:
    *way, last = pointer.removeprefix("/").split("/")
    for part in way:
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value, last


def _openness_vectors() -> dict[str, Any]:
    """Return cards with their class; the class that the example was written for must come out."""
    return {"ruleset": openness.RULESET, "cases": [_assessed(case) for case in _example("openness")["cases"]]}


def _license_vectors() -> dict[str, Any]:
    """Return pairs of stated licences with what is found; what the example was written for must come out."""
    cases = [_compared(case) for case in _example("license-terms")["cases"]]
    return {"ruleset": license_terms.RULESET, "cases": cases}


def _compared(case: dict[str, Any]) -> dict[str, Any]:
    child, parent = (
        api.StatedLicense(of="distribution", **case[side]) if case[side] is not None else None
        for side in ("child", "parent")
    )
    found = license_terms.compare_licenses(child, parent, relation=case["relation"], names=case["names"])
    told = (found.result, [one.obligation for one in found.findings])
    if told != (case["result"], case["obligations"]):
        raise SystemExit(f"{case['name']} was written for {case['result']} and comes out as {told}")
    return {**case, "words": found.words, "findings": [one.words for one in found.findings]}


def _assessed(case: dict[str, Any]) -> dict[str, Any]:
    found = openness.assess(Card.model_validate(case["card"]))
    if found.class_ != case["class"]:
        raise SystemExit(f"the card {case['name']} should be of class {case['class']}, not {found.class_}")
    counted = [one.rule.name for one in found.components if one.counts]
    return {**case, "counted": counted, "missing": list(found.missing)}


def _digest_vectors() -> dict[str, Any]:
    inputs = _example("digests")
    return {
        "models": [{**case, "model_digest": _tagged(_model_digest(case))} for case in inputs["models"]],
        "weights": [{**case, "weights_digest": _tagged(_weights_digest(case))} for case in inputs["weights"]],
        "roots": [
            {
                **case,
                "root_digest": _tagged(weighing.root_digest(map(bytes.fromhex, case["resource_digests"]))),
            }
            for case in inputs["roots"]
        ],
        "leaves": [_leaf(case) for case in inputs["leaves"]],
        "statements": [
            {
                **case,
                "statement_digest": _tagged(
                    dsse.statement_digest(case["payload_type"], case["payload"].encode())
                ),
            }
            for case in inputs["statements"]
        ],
        "abstract_subjects": [
            {**case, "sha256": abstract_subject(case["kind"], case["name"])}
            for case in inputs["abstract_subjects"]
        ],
        "names": [{"name": name, "folded": base.fold_name(name)} for name in inputs["names"]],
        "signers": [_signer(case) for case in inputs["signers"]],
    }


def _tagged(hexadecimal: str | None) -> str:
    return f"sha256:{hexadecimal}"


def _model_digest(case: dict[str, Any]) -> str:
    return weighing.model_digest(
        weighing.WeighedFile(
            path=file["path"],
            size=file["size"],
            digests={"sha256": file["sha256"]},
            git_sha1="",
            role="other",
            format="unknown",
            unsafe_to_load=False,
        )
        for file in case["files"]
    )


def _weights_digest(case: dict[str, Any]) -> str | None:
    return weighing.weights_digest(
        weighing.Tensor(**{**tensor, "shape": tuple(tensor["shape"])}, file="x.safetensors")
        for tensor in case["tensors"]
    )


def _leaf(case: dict[str, Any]) -> dict[str, Any]:
    leaf = leaves.encode_leaf(case["bundle_sha256"], case["received"])
    return {**case, "leaf": leaf.decode(), "leaf_hash": tlog.leaf_hash(leaf).hex()}


def _signer(case: dict[str, Any]) -> dict[str, Any]:
    kinds = {
        "key": identities.KeyIdentity,
        "certificate": identities.CertificateIdentity,
        "sigstore": identities.SigstoreIdentity,
    }
    identity = kinds[case["type"]](**{name: value for name, value in case.items() if name != "type"})
    return {"canonical": identities.canonical(identity).decode(), "id": identities.signer_id(identity)}


# --- tables of the spec pages ------------------------------------------------------------------


def _block(page: str, what: str) -> str:
    """Return one generated block of a spec page."""
    if what == "example":
        return f"```json\n{json.dumps(_statement(page), indent=2, ensure_ascii=False)}\n```\n"
    if what == "fields":
        return "\n".join(_object_tables(page))
    if what == "refusals":
        rows = [f"| `{case['name']}` | {case['reason']} |" for case in _example(page)["invalid"]]
        return "\n".join(["| vector | why it is refused |", "|---|---|", *rows, ""])
    if what == "vectors":
        rows = [
            f"| `{case['name']}` | {case['class'] or 'none'} | {case['why']} |"
            for case in _example(page)["cases"]
        ]
        return "\n".join(["| vector | class | why |", "|---|---|---|", *rows, ""])
    tables = {
        "components": _component_table,
        "license-cases": _license_cases,
        "license-table": _license_table,
        "types": _type_table,
    }
    if what in tables:
        return "\n".join(tables[what]())
    raise SystemExit(f"docs/spec/{page}.md asks for a block that does not exist: {what}")


def _licensed(stated: dict[str, str] | None) -> str:
    return "not stated" if stated is None else f"`{stated.get('spdx') or stated.get('text')}`"


def _license_cases() -> Iterator[str]:
    yield from ("| vector | child | parent | result | why |", "|---|---|---|---|---|")
    for case in _example("license-terms")["cases"]:
        sides = f"{_licensed(case['child'])} | {_licensed(case['parent'])}"
        yield f"| `{case['name']}` | {sides} | {case['result']} | {case['why']} |"
    yield ""


def _license_table() -> Iterator[str]:
    """Yield the table of licences: those that ask for the same stand in one row."""
    yield from ("| licences | ask for | may be shared as | text |", "|---|---|---|---|")
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for row in license_terms.rows():
        own = row.passes_as == {row.identifier} or not row.passes_as
        place = row.source if not row.source.startswith("https://spdx.org/") else ""
        key = (tuple(one for one in license_terms.OBLIGATIONS if one in row.asks), row.begins, place)
        key += ("",) if own else (", ".join(sorted(row.passes_as, key=str.casefold)),)
        groups.setdefault(key, []).append(row)
    for (asks, begins, place, shared), rows in groups.items():
        names = ", ".join(f"`{row.identifier}`" for row in rows)
        words = ", ".join(asks).replace("naming", f"naming (“{begins}”)") or "nothing"
        itself = "any" if not rows[0].passes_as else "itself"
        yield f"| {names} | {words} | {shared or itself} | {place or 'spdx.org/licenses'} |"
    yield ""


def _models(page: str) -> dict[str, type[BaseModel]]:
    """Return the documents that a page describes: those of its module, the predicate last."""
    if page == "api":
        return {model.__name__: model for model in _api_models()}
    parts = {
        "types": ("base",),
        "card": ("card_data", "card"),
        "reports": ("reports.cards", "reports.forms", "reports.logs", "reports.models"),
    }
    modules = [sys.modules[f"weighbridge_schemas.{name}"] for name in parts.get(page, (page,))]
    found = {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, base.Document) and value.__module__ == module.__name__
    }
    return {name: model for name, model in found.items() if model not in (base.Document, forms.Report)}


def _object_tables(page: str) -> Iterator[str]:
    models = _models(page)
    # A page begins with its predicate, which its module defines last; the interface has no first.
    for name, model in models.items() if page == "api" else reversed(models.items()):
        mode: JsonSchemaMode = "serialization" if page == "api" else "validation"
        schema = model.model_json_schema(ref_template="{model}", mode=mode)
        yield f"### {name}\n"
        yield f"{schema['description'].splitlines()[0]}\n"
        yield "| member | type | meaning |"
        yield "|---|---|---|"
        required = schema.get("required", [])
        for member, described in schema.get("properties", {}).items():
            mark = "" if member in required else " (optional)"
            field = next(f for n, f in model.model_fields.items() if member in (n, f.alias))
            meaning = (field.description or "").replace("\n", " ")
            yield f"| `{member}`{mark} | {_type(page, described)} | {meaning} |"
        yield ""


def _type(page: str, schema: dict[str, Any]) -> str:
    """Return the type of a member in words, with links to objects and named types."""
    match schema:
        case {"$ref": name}:
            words = _object_link(page, name)
        case {"anyOf": parts} | {"oneOf": parts}:
            words = " or ".join(dict.fromkeys(_type(page, part) for part in parts))
        case {"const": value}:
            words = f"`{value}`"
        case {"enum": values} if tuple(values) == get_args(base.Kind):
            words = "[kind](statements.md)"
        case {"pattern": pattern} if pattern == BASE64:
            words = "base64"
        case {"enum": values}:
            words = " · ".join(f"`{value}`" for value in values)
        case {"type": "array" | "object"}:
            words = _collection(page, schema)
        case _:
            words = _named(schema)
    return words


def _collection(page: str, schema: dict[str, Any]) -> str:
    """Return a list or a free object in words, with how many and what it holds."""
    match schema:
        case {"items": items, "maxItems": most}:
            least = schema.get("minItems", 0)
            many = f"{most:,}" if least == most else f"{least} to {most:,}"
            return f"list of {many}: {_type(page, items)}"
        case {"items": items}:
            return f"list of {_type(page, items)}"
        case {"patternProperties": dict(members)}:
            return f"object, values {' or '.join(_type(page, values) for values in members.values())}"
        case {"additionalProperties": dict(values)}:
            return f"object, values {_type(page, values)}"
        case _:
            return "any object"


def _named(schema: dict[str, Any]) -> str:
    form = {key: value for key, value in schema.items() if key not in ("title", "description", "default")}
    names = _named_types().get(json.dumps(form, sort_keys=True))
    if names:
        return " or ".join(f"[{name}](types.md#{name.lower()})" for name in names)
    if "pattern" in form:
        return f"text `{form['pattern'].replace('|', chr(92) + '|')}`"
    bounds = [f"{word} {form[key]}" for key, word in (("minimum", "≥"), ("maximum", "≤")) if key in form]
    return " ".join([form.get("type", "any"), *bounds])


def _object_link(page: str, name: str) -> str:
    for module in ("base", *KINDS, "api", "policy", "reports"):
        target = "types" if module == "base" else module
        if name in _models(target):
            return f"[{name}]({'' if target == page else f'{target}.md'}#{name.lower()})"
    raise SystemExit(f"no page describes {name}")


@functools.cache
def _named_types() -> dict[str, list[str]]:
    """Return the named types of `base` by their JSON Schema, which several may share."""
    named: dict[str, list[str]] = {}
    for name in _type_docs():
        form = TypeAdapter(getattr(base, name)).json_schema()
        named.setdefault(json.dumps(form, sort_keys=True), []).append(name)
    return named


def _type_docs() -> dict[str, str]:
    """Return the public named types of `base` with the text below each."""
    body = ast.parse(Path(base.__file__).read_text()).body
    docs: dict[str, str] = {}
    for node, after in pairwise(body):
        if (
            isinstance(node, ast.Assign)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            name = ast.unparse(node.targets[0])
            if name in base.__all__:
                docs[name] = str(after.value.value)
    return docs


def _type_table() -> Iterator[str]:
    for name, text in sorted(_type_docs().items()):
        form = TypeAdapter(getattr(base, name)).json_schema()
        yield f"### {name}\n"
        yield f"{inspect.cleandoc(text)}\n"
        facts = [f"{word} {form[key]:,}" for key, word in _FACTS if key in form]
        pattern = f"`{form['pattern']}`" if "pattern" in form else ""
        yield " · ".join(["JSON " + form["type"], *facts, *filter(None, [pattern])]) + "\n"
    yield from _object_tables("types")


def _component_table() -> Iterator[str]:
    yield "| component | content | needed by |"
    yield "|---|---|---|"
    for rule in openness.COMPONENTS:
        needed = ("I", "II", "III")[rule.needed_by - 1] if rule.required else "none (optional)"
        yield f"| `{rule.name}` {rule.title}: {rule.description} | {rule.content} | {needed} |"
    yield ""


_FACTS = (
    ("minLength", "characters at least"),
    ("maxLength", "characters at most"),
    ("minimum", "from"),
    ("maximum", "to"),
)


if __name__ == "__main__":
    raise SystemExit(main())
