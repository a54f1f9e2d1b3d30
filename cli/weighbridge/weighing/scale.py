# SPDX-License-Identifier: Apache-2.0
"""The weighing itself: enumerate, read everything once on all cores, enumerate again."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from weighbridge.errors import EnumerationError, InputError
from weighbridge.hub.cache import located

from .hashing import ALGORITHMS, Interrupted, Watch
from .names import DEFAULT_IGNORES, README, IgnoreRules, collisions, name_fault
from .reading import SMALL, FileReader, Found
from .reuse import NO_REUSE, Reuse, Standing
from .snapshots import open_tree
from .templates import MAX_TEMPLATES
from .tree import Listed, Tree
from .weighed import Tensor, WeighedModel, model_digest, root_digest, weights_digest

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = [
    "Progress",
    "ReadModel",
    "assemble",
    "checked_algorithm",
    "collision_warnings",
    "default_ignores",
    "ignore_rules",
    "model_read",
    "read_all",
    "read_model",
    "weigh",
]

Progress = Callable[[int, int], None]
"""Called in the calling thread with (bytes done, bytes in all)."""

_BUFFER_BUDGET: Final = 64 * 1024 * 1024
_FILES_PER_JOB: Final = 128
_IN_LINE_BYTES: Final = 4 * 1024 * 1024
_PART_BYTES: Final = 64 * 1024 * 1024
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
    for algorithm in algorithms:
        checked_algorithm(algorithm)
    chosen = tuple(dict.fromkeys(("sha256", *algorithms)))
    reader = FileReader(chosen, Watch(), git=git, tensors=tensors)
    return assemble(
        read_model(
            path, reader, ignore=ignore, exclude_readme=exclude_readme, progress=progress, workers=workers
        )
    )


@dataclass(frozen=True, slots=True)
class ReadModel:
    """All files of a model as they were read in one go.

    `found` and `listed` are in code-point order of their paths. `apart` is README.md where that is kept
    apart, or ""; `ignored` are the ignore paths in force, sorted, `apart` among them. `spared` are the files
    whose digests were taken from an older signature.
    """

    path: Path
    name: str
    is_file: bool
    found: tuple[Found, ...]
    apart: str
    ignored: tuple[str, ...]
    listed: tuple[Listed, ...] = ()
    spared: tuple[Listed, ...] = ()

    @property
    def kept(self) -> tuple[Found, ...]:
        """The files without the one that is apart."""
        return tuple(one for one in self.found if one.file.path != self.apart)


def read_model(
    path: str | os.PathLike[str],
    reader: FileReader,
    *,
    ignore: Iterable[str] = (),
    exclude_readme: bool = False,
    progress: Progress | None = None,
    workers: int | None = None,
    reuse: Reuse = NO_REUSE,
) -> ReadModel:
    """Enumerate a model, read each file once, enumerate again.

    Files that `reuse` knows to be unchanged are opened, so that they are there and may be read, but not
    hashed. Raises InputError and EnumerationError as `weigh` does.
    """
    with open_tree(located(path)) as tree:
        rules = ignore_rules(tree, ignore)
        listed, _ = tree.listing(rules.covers)
        if not tree.is_file and any(file.path.startswith(f"{README}/") for file in listed):
            raise EnumerationError(f"{README} is a folder; it must be a file.", hint="Rename the folder.")
        apart = README if exclude_readme and not tree.is_file else ""
        spared = [file for file in listed if reuse.standing(file) is Standing.UNCHANGED]
        known = _recall_all(tree, spared, reader, reuse)
        to_read = [file for file in listed if file.path not in known] if known else listed
        found = read_all(tree, to_read, reader, progress=progress, workers=workers)
        found = sorted((*found, *known.values()), key=lambda one: one.file.path) if known else found
        tree.relist(listed, rules.covers)
        if not any(one.file.path != apart for one in found):
            raise EnumerationError(
                f"There is nothing to weigh in {tree.path}.",
                hint="Give the folder that holds the model's files, or ignore less.",
            )
        return replace(model_read(tree, found, apart, rules), listed=tuple(listed), spared=tuple(spared))


def _recall_all(tree: Tree, files: Iterable[Listed], reader: FileReader, reuse: Reuse) -> dict[str, Found]:
    """Return what is known of unchanged files, after opening each.

    Opening asks a file server for what it has now, where a listing may be a memory of some seconds ago.
    """
    recalled: dict[str, Found] = {}
    for name, group in groupby(files, key=lambda file: file.path.rpartition("/")[0]):
        with tree.opened_folder(name) as folder:
            for file in group:
                handle = tree.open_file(folder, file)
                try:
                    recalled[file.path] = reader.recall(handle, file, reuse.known(file))
                finally:
                    os.close(handle)
    return recalled


def model_read(tree: Tree, found: Sequence[Found], apart: str, rules: IgnoreRules) -> ReadModel:
    """Put together what was read of a tree under the rules in force."""
    ignored: set[str] = {*rules.paths, apart} - {""}
    return ReadModel(tree.path, tree.name, tree.is_file, tuple(found), apart, tuple(sorted(ignored)))


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
    jobs = _jobs(files, reader)
    large = sum(1 for job in jobs if job[0].file.size > SMALL)
    threads = cores if large < 2 * cores else 1
    # blake3 divides one buffer among threads, which pays for larger buffers.
    chunk = 2 * SMALL if threads > 1 and "blake3" in reader.hash_types else SMALL
    reader = replace(
        reader, threads=threads, chunk=max(256 * 1024, min(chunk, _BUFFER_BUDGET // (4 * cores)))
    )
    if total < _IN_LINE_BYTES and len(files) <= _FILES_PER_JOB:
        found = _read_jobs(tree, jobs, reader)
    else:
        found = _in_threads(tree, jobs, reader, cores, progress and (lambda done: progress(done, total)))
    if progress:
        progress(total, total)
    return _put_together(files, found)


class _Part(NamedTuple):
    """A file to be read: whole, or so many of its `shards` from number `first` on."""

    file: Listed
    first: int = 0
    shards: int = 0


def _usable_cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _jobs(files: Sequence[Listed], reader: FileReader) -> list[list[_Part]]:
    """Split files into units of work: each large file or part alone, small files of a folder together."""
    large = sorted((file for file in files if file.size > SMALL), key=lambda file: -file.size)
    jobs = [[part] for file in large for part in _parts(file, reader)]
    folders: dict[str, list[_Part]] = {}
    for file in files:
        if file.size <= SMALL:
            folders.setdefault(file.path.rpartition("/")[0], []).append(_Part(file))
    for group in folders.values():
        jobs += [group[i : i + _FILES_PER_JOB] for i in range(0, len(group), _FILES_PER_JOB)]
    return jobs


def _parts(file: Listed, reader: FileReader) -> list[_Part]:
    if reader.sharding is None or not reader.in_parts:
        return [_Part(file)]
    shards = reader.sharding.count(file.size)
    step = -(-_PART_BYTES // reader.sharding.size)
    return [_Part(file, first, min(step, shards - first)) for first in range(0, shards, step)]


def _put_together(files: Sequence[Listed], found: Iterable[tuple[_Part, Found]]) -> list[Found]:
    """Return one result for each file, in the order of the files; the parts of one become one."""
    by_path: dict[str, Found] = {}
    for part, one in sorted(found, key=lambda pair: pair[0].first):
        before = by_path.get(part.file.path)
        by_path[part.file.path] = (
            one if before is None else replace(before, shards=(*before.shards, *one.shards))
        )
    return [by_path[file.path] for file in files]


def _read_job(tree: Tree, job: Sequence[_Part], reader: FileReader) -> list[tuple[_Part, Found]]:
    """Read a job's files; small ones are counted together: a lock for each costs more than its hash."""
    found: list[tuple[_Part, Found]] = []
    small = 0
    with tree.opened_folder(job[0].file.path.rpartition("/")[0]) as folder:
        for part in job:
            handle = tree.open_file(folder, part.file)
            try:
                if part.shards:
                    one = reader.read_shards(handle, part.file, part.first, part.shards)
                else:
                    one = reader.read(handle, part.file)
            finally:
                os.close(handle)
            found.append((part, one))
            if part.file.size <= SMALL:
                small += part.file.size
    reader.watch.add(small)
    return found


def _read_jobs(tree: Tree, jobs: Sequence[Sequence[_Part]], reader: FileReader) -> list[tuple[_Part, Found]]:
    return [one for job in jobs for one in _read_job(tree, job, reader)]


def _in_threads(
    tree: Tree,
    jobs: Sequence[list[_Part]],
    reader: FileReader,
    cores: int,
    report: Callable[[int], None] | None,
) -> list[tuple[_Part, Found]]:
    # Here, because it brings `logging`: a tenth of the time in which a small model is verified.
    from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

    pool = ThreadPoolExecutor(max_workers=cores, thread_name_prefix="weigh")
    futures: list[Future[list[tuple[_Part, Found]]]] = []
    try:
        futures += [pool.submit(_read_jobs, tree, work, reader) for work in _work(jobs)]
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


def _work(jobs: Iterable[list[_Part]]) -> Iterator[list[list[_Part]]]:
    """Yield what one thread does at a time: a job, or all jobs of tiny files together.

    Reading a tiny file is a few short system calls between which threads would only wait for the
    interpreter's lock: two threads are half as fast as one.
    """
    tiny: list[list[_Part]] = []
    for job in jobs:
        if sum(part.file.size for part in job) < _TINY * len(job):
            tiny.append(job)
        else:
            yield [job]
    if tiny:
        yield tiny


def checked_algorithm(algorithm: str) -> str:
    """Return a hash algorithm of OMS as it is; raises InputError for any other."""
    if algorithm not in ALGORITHMS:
        raise InputError(
            f"Unknown hash algorithm {algorithm!r}.", hint=f"Use one of {', '.join(ALGORITHMS)}."
        )
    return algorithm


def assemble(model: ReadModel) -> WeighedModel:
    """Put a weighed model together from what was read, SHA-256 among it."""
    files = tuple(one.file for one in model.kept)
    readme = next((one.file for one in model.found if one.file.path == README and not model.is_file), None)
    tensors, weights, warnings = _weights(model.kept)
    warnings += collision_warnings(file.path for file in files)
    templates = tuple(template for one in model.kept for template in one.chat_templates)
    if len(templates) > MAX_TEMPLATES:
        warnings.append(f"only the first {MAX_TEMPLATES} of {len(templates)} chat templates are listed")
    return WeighedModel(
        path=model.path,
        name=model.name,
        is_file=model.is_file,
        files=files,
        readme=readme,
        tensors=tensors,
        chat_templates=templates[:MAX_TEMPLATES],
        model_digest=model_digest(files),
        root_digest=root_digest(bytes.fromhex(file.sha256) for file in files),
        weights_digest=weights,
        ignored=model.ignored,
        warnings=tuple(warnings),
    )


def collision_warnings(paths: Iterable[str]) -> list[str]:
    """Warn of names that differ only by case or Unicode form."""
    return [
        f"{' and '.join(group)} differ only by case or Unicode form: macOS and Windows keep only one of them"
        for group in collisions(paths)
    ]


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
