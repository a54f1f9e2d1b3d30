# SPDX-License-Identifier: Apache-2.0
"""The weighing itself: enumerate, read everything once on all cores, enumerate again."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Final

from weighbridge.errors import EnumerationError, InputError

from .hashing import ALGORITHMS, Interrupted, Watch
from .names import DEFAULT_IGNORES, README, IgnoreRules, collisions, name_fault
from .reading import SMALL, FileReader, Found
from .templates import MAX_TEMPLATES
from .tree import Listed, Tree
from .weighed import Tensor, WeighedModel, model_digest, root_digest, weights_digest

__all__ = ["Progress", "assemble", "default_ignores", "ignore_rules", "read_all", "weigh"]

Progress = Callable[[int, int], None]
"""Called in the calling thread with (bytes done, bytes in all)."""

_BUFFER_BUDGET: Final = 64 * 1024 * 1024
_FILES_PER_JOB: Final = 128
_IN_LINE_BYTES: Final = 4 * 1024 * 1024
_TINY: Final = 16 * 1024
_SHARD = re.compile(r"-\d{5}-of-\d{5}(?=\.)")


def weigh(
    path: str | os.PathLike[str],
    *,
    algorithms: Sequence[str] = ("sha256",),
    ignore: Iterable[str] = (),
    exclude_readme: bool = True,
    tensors: bool = True,
    git: bool = True,
    progress: Progress | None = None,
    workers: int | None = None,
) -> WeighedModel:
    """Weigh a model: a folder with everything below it, or a single file.

    Reads every byte once. `ignore` are exact paths relative to the folder, each with all that is
    below it, beside the default ones. With `exclude_readme` (the way `publish` signs) a top-level
    README.md is weighed but kept apart, as the card binds it; without (the way `sign` does), it is
    a file like any other. `git` adds git blob ids for comparing with a hub. SHA-256 is always
    among the digests.

    Raises InputError if something cannot be read, EnumerationError (step 1) if something does not
    belong in a model (a link, a pipe, a deceptive name, a malformed tensor header), if nothing is
    left to weigh, or if anything changed, appeared or vanished meanwhile.
    """
    chosen = _checked_algorithms(algorithms)
    with Tree(path) as tree:
        rules = ignore_rules(tree, ignore)
        listed, _ = tree.listing(rules.covers)
        if not tree.is_file and any(file.path.startswith(f"{README}/") for file in listed):
            raise EnumerationError(f"{README} is a folder; it must be a file.", hint="Rename the folder.")
        reader = FileReader(chosen, Watch(), git=git, tensors=tensors)
        found = read_all(tree, listed, reader, progress=progress, workers=workers)
        tree.relist(listed, rules.covers)
        apart = README if exclude_readme and not tree.is_file else ""
        if not any(one.file.path != apart for one in found):
            raise EnumerationError(
                f"There is nothing to weigh in {tree.path}.",
                hint="Give the folder that holds the model's files, or ignore less.",
            )
        return assemble(tree, found, apart, rules)


def default_ignores(tree: Tree) -> tuple[str, ...]:
    """Return what is never weighed: top-level paths of a folder, or the files beside a single file."""
    return (f"{tree.name}.provenance.jsonl", f"{tree.name}.sig") if tree.is_file else DEFAULT_IGNORES


def ignore_rules(tree: Tree, ignore: Iterable[str]) -> IgnoreRules:
    """Return the default ignores and `ignore` as rules; raises InputError for what is no exact path."""
    given = [path.rstrip("/") or path for path in ignore]
    for path in given:
        if fault := name_fault(path):
            raise InputError(
                f"Cannot ignore {path!r}: it {fault}.",
                hint="Give an exact path relative to the model's folder, such as logs or logs/run1.txt.",
            )
    return IgnoreRules([*default_ignores(tree), *given])


def read_all(
    tree: Tree,
    files: Sequence[Listed],
    reader: FileReader,
    *,
    progress: Progress | None = None,
    workers: int | None = None,
) -> list[Found]:
    """Read the listed files, each once, on `workers` threads (all usable cores); keep their order.

    Large files come first, the largest at the head, so that no core is left with one at the end.
    The first error stops all workers and is raised; so does Ctrl-C.
    """
    total = sum(file.size for file in files)
    cores = workers or _usable_cores()
    large = sum(1 for file in files if file.size > SMALL)
    threads = cores if large < 2 * cores else 1
    # blake3 divides one buffer among threads, which pays for large buffers only.
    chunk = 4 * SMALL if threads > 1 and "blake3" in reader.algorithms else SMALL
    reader = replace(
        reader, threads=threads, chunk=max(256 * 1024, min(chunk, _BUFFER_BUDGET // (4 * cores)))
    )
    if total < _IN_LINE_BYTES and len(files) <= _FILES_PER_JOB:
        found = [one for job in _jobs(files) for one in _read_job(tree, job, reader)]
    else:
        found = _in_threads(tree, files, reader, cores, progress and (lambda done: progress(done, total)))
    if progress:
        progress(total, total)
    by_path = {one.file.path: one for one in found}
    return [by_path[file.path] for file in files]


def _usable_cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _jobs(files: Sequence[Listed]) -> list[list[Listed]]:
    """Split files into units of work: each large file alone, small ones of a folder together."""
    large = sorted((file for file in files if file.size > SMALL), key=lambda file: -file.size)
    folders: dict[str, list[Listed]] = {}
    for file in files:
        if file.size <= SMALL:
            folders.setdefault(file.path.rpartition("/")[0], []).append(file)
    jobs = [[file] for file in large]
    for group in folders.values():
        jobs += [group[i : i + _FILES_PER_JOB] for i in range(0, len(group), _FILES_PER_JOB)]
    return jobs


def _read_job(tree: Tree, job: Sequence[Listed], reader: FileReader) -> list[Found]:
    found: list[Found] = []
    with tree.opened_folder(job[0].path.rpartition("/")[0]) as folder:
        for file in job:
            handle = tree.open_file(folder, file)
            try:
                found.append(reader.read(handle, file))
            finally:
                os.close(handle)
    return found


def _read_jobs(tree: Tree, jobs: Sequence[Sequence[Listed]], reader: FileReader) -> list[Found]:
    return [one for job in jobs for one in _read_job(tree, job, reader)]


def _in_threads(
    tree: Tree,
    files: Sequence[Listed],
    reader: FileReader,
    cores: int,
    report: Callable[[int], None] | None,
) -> list[Found]:
    pool = ThreadPoolExecutor(max_workers=cores, thread_name_prefix="weigh")
    futures: list[Future[list[Found]]] = []
    try:
        futures += [pool.submit(_read_jobs, tree, work, reader) for work in _work(files)]
        pending = set(futures)
        while pending:
            done, pending = wait(pending, timeout=0.1, return_when=FIRST_EXCEPTION)
            if any(future.exception() for future in done):
                break
            if report:
                report(reader.watch.done)
    finally:
        # Also on Ctrl-C: every thread ends at its next buffer, and nothing has been written.
        reader.watch.stop()
        pool.shutdown(wait=True, cancel_futures=True)
    failures = [future.exception() for future in futures if not future.cancelled()]
    for failure in failures:
        if failure is not None and not isinstance(failure, Interrupted):
            raise failure
    return [one for future in futures for one in future.result()]


def _work(files: Sequence[Listed]) -> Iterator[list[list[Listed]]]:
    """Yield what one thread does at a time: a job, or all jobs of tiny files together.

    Reading a tiny file is a few short system calls between which threads would only wait for the
    interpreter's lock: two threads are half as fast as one.
    """
    tiny: list[list[Listed]] = []
    for job in _jobs(files):
        if sum(file.size for file in job) < _TINY * len(job):
            tiny.append(job)
        else:
            yield [job]
    if tiny:
        yield tiny


def _checked_algorithms(algorithms: Sequence[str]) -> tuple[str, ...]:
    for algorithm in algorithms:
        if algorithm not in ALGORITHMS:
            raise InputError(
                f"Unknown hash algorithm {algorithm!r}.", hint=f"Use one of {', '.join(ALGORITHMS)}."
            )
    return tuple(dict.fromkeys(("sha256", *algorithms)))


def assemble(tree: Tree, found: Sequence[Found], apart: str, rules: IgnoreRules) -> WeighedModel:
    """Put a model together from what was read; the file `apart` (README.md or "") is kept beside."""
    kept = [one for one in found if one.file.path != apart]
    files = tuple(one.file for one in kept)
    readme = next((one.file for one in found if one.file.path == README and not tree.is_file), None)
    tensors, weights, warnings = _weights(kept)
    for group in collisions(file.path for file in files):
        warnings.append(
            f"{' and '.join(group)} differ only by case or Unicode form: "
            "macOS and Windows keep only one of them"
        )
    templates = tuple(template for one in kept for template in one.chat_templates)
    if len(templates) > MAX_TEMPLATES:
        warnings.append(f"only the first {MAX_TEMPLATES} of {len(templates)} chat templates are listed")
    return WeighedModel(
        path=tree.path,
        name=tree.name,
        is_file=tree.is_file,
        files=files,
        readme=readme,
        tensors=tensors,
        chat_templates=templates[:MAX_TEMPLATES],
        model_digest=model_digest(files),
        root_digest=root_digest(bytes.fromhex(file.sha256) for file in files),
        weights_digest=weights,
        ignored=tuple(sorted({*rules.paths, *([apart] if apart else [])})),
        warnings=tuple(warnings),
    )


def _weights(found: Sequence[Found]) -> tuple[tuple[Tensor, ...], str | None, list[str]]:
    """Return the tensor table in its order and its digest, or neither, with the reason.

    Two shards of one checkpoint that hold the same name are refused. Two checkpoints side by side
    (another precision, the parts of a pipeline) are a usual thing: then no name says which tensor
    is meant, so there is no weights digest, while the model digest covers every byte as always.
    The same holds where one file's tensors are of a kind that is not known here.
    """
    for one in found:
        if one.note:
            return (), None, [f"no fingerprint of the weights: {one.note}, which is not known here"]
    tensors = [tensor for one in found for tensor in one.tensors]
    owners: dict[str, str] = {}
    for tensor in tensors:
        other = owners.setdefault(tensor.name, tensor.file)
        if other != tensor.file and _SHARD.sub("", other) != _SHARD.sub("", tensor.file):
            reason = (
                f"no fingerprint of the weights: tensor {tensor.name!r} is in {other} and in {tensor.file}; "
                "leave one of them out with --ignore to have one"
            )
            return (), None, [reason]
    ordered = tuple(sorted(tensors, key=lambda tensor: tensor.name))
    return ordered, weights_digest(ordered), []
