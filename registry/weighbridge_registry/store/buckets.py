# SPDX-License-Identifier: Apache-2.0
"""Objects in an S3 bucket, or in a private storage that speaks S3.

    s3://BUCKET[/PREFIX][?endpoint=URL&region=NAME&timeout=SECONDS&credentials=instance]

What `Objects` owes rests on three properties of S3, and the first and last are tried at start,
for there are imitations that lack them: an object is durable when its PUT is answered; a GET
sees every PUT answered before; `If-None-Match: *` and `If-Match` decide between writers.

Credentials come from the environment alone. Nothing of an answer but its status and error code
gets into an error or a log: storages like to repeat what they were sent. For the same reason
errors here are not chained to those of the library, whose text is the whole answer.
"""

from __future__ import annotations

import errno
import gzip
import logging
import os
import re
import secrets
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import parse_qsl, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from weighbridge.errors import ConfigurationError, LogError, UnavailableError

from .objects import CHECKPOINT, Form, Listed, Versioned, check_length, form_of, other_bytes

if TYPE_CHECKING:
    from obstore import GetResult, PutMode

__all__ = ["BucketObjects", "open_bucket"]

_T = TypeVar("_T")
_LOG: Final = logging.getLogger("weighbridge.registry")
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX: Final = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,62}/){0,7}[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_REGION: Final = re.compile(r"[a-z0-9-]{1,32}")
_CODE: Final = re.compile(r"<Code>([A-Za-z0-9.]{1,64})</Code>")
_STATUS: Final = re.compile(r"status code: ([1-5][0-9]{2})")
_CREDENTIALS: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
)
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_REFUSED: Final = frozenset({"NoSuchBucket", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"})
"""Error codes that waiting does not cure."""
_FORBIDDEN: Final = frozenset({401, 403})
_SECONDS: Final = 15.0
_MAX_SECONDS: Final = 300.0
_RETRIES: Final = 4
_PARALLEL: Final = 8
_CONFLICTS: Final = 4
_SWEEPS: Final = 64
"""Folders of partial tiles that wait to be deleted; more are left where they are."""


@dataclass(frozen=True, slots=True)
class _Place:
    """What an address says."""

    bucket: str
    prefix: str
    endpoint: str | None
    region: str | None
    seconds: float
    instance: bool


def open_bucket(url: str, *, write: bool = True) -> BucketObjects:
    """Open the bucket at an address, and find out whether it can be used.

    With `write` a few small objects below `probe/` are made and deleted, to see that the storage
    decides between two writers. Raises `ConfigurationError` for an address that is none, a bucket
    that is missing or forbidden, credentials that are missing or refused, a storage that ignores
    conditions; `UnavailableError` if it does not answer.
    """
    place = _parse(url)
    _check_credentials(place)
    objects = BucketObjects(_connect(place), place.bucket)
    try:
        objects.versioned()
        if write:
            objects.prove()
    except UnavailableError as error:
        objects.close()
        if error.evidence.get("code") in _REFUSED or error.evidence.get("status") in _FORBIDDEN:
            raise ConfigurationError(error.message, hint=error.hint, evidence=error.evidence) from None
        raise
    except BaseException:
        objects.close()
        raise
    return objects


class BucketObjects:
    """The driver for S3. Any number of machines may use a bucket; see `Objects`."""

    def __init__(self, store: S3Store, bucket: str) -> None:
        self._store = store
        self._bucket = bucket
        self._pool = ThreadPoolExecutor(_PARALLEL, thread_name_prefix="weighbridge-s3")
        self._sweeper = ThreadPoolExecutor(1, thread_name_prefix="weighbridge-s3-sweeper")
        self._waiting = threading.Semaphore(_SWEEPS)

    @property
    def distant(self) -> bool:
        """True (`Objects.distant`)."""
        return True

    def get(self, name: str) -> bytes:
        """Return an object's bytes, uncompressed (`Objects.get`)."""
        return self._read(name)[0]

    def size(self, name: str) -> int:
        """Return an object's size (`Objects.size`); not by HEAD, whose 404 does not say what is missing."""
        form_of(name)
        return self._get(name).meta["size"]

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Store immutable objects, several at once (`Objects.put`)."""
        self._each(lambda name: self._put(name, objects[name]), objects)

    def versioned(self) -> Versioned | None:
        """Return the checkpoint (`Objects.versioned`)."""
        try:
            data, version = self._read(CHECKPOINT)
        except FileNotFoundError:
            return None
        return Versioned(data, self._version(version))

    def replace(self, data: bytes, seen: str | None) -> str | None:
        """Replace the checkpoint (`Objects.replace`)."""
        mode: PutMode = "create" if seen is None else {"e_tag": seen}
        try:
            return self._version(self._write(CHECKPOINT, data, form_of(CHECKPOINT), mode))
        except (AlreadyExistsError, PreconditionError, FileNotFoundError):
            # Perhaps a first attempt whose answer was lost: then it is ours that stands there.
            now = self.versioned()
            return now.version if now is not None and now.data == data else None

    def list(self, under: str = "") -> Iterator[Listed]:
        """List objects; what else lies in the bucket is left out (`Objects.list`)."""
        chunks = iter(obstore.list(self._store, under or None))
        while (chunk := self._ask("list", under or "its objects", lambda: next(chunks, None))) is not None:
            for one in chunk:
                try:
                    form_of(one["path"])
                except LogError:
                    continue
                yield Listed(one["path"], one["size"])

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects (`Objects.delete`). A bucket that keeps versions still has the bytes."""
        several = list(names)
        for name in several:
            form_of(name)
        self._each(self._delete, several)

    def discard(self, folders: Iterable[str]) -> None:
        """Delete what is below folders later, on a thread of its own (`Objects.discard`)."""
        for folder in folders:
            if self._waiting.acquire(blocking=False):
                try:
                    self._sweeper.submit(self._sweep, folder).add_done_callback(self._swept)
                except RuntimeError:  # closed meanwhile
                    self._waiting.release()

    def prove(self) -> None:
        """Try that a name is given once, and that a version is replaced once; else `ConfigurationError`."""
        name, form = f"probe/{secrets.token_hex(16)}", Form("text/plain", 64, cache_control="no-store")
        try:
            first = self._version(self._write(name, b"1", form, "create"))
            held = (
                self._conflicts(name, b"2", form, "create")
                and not self._conflicts(name, b"3", form, {"e_tag": first})
                and self._conflicts(name, b"4", form, {"e_tag": first})
                and bytes(self._get(name).bytes()) == b"3"
            )
        finally:
            self._delete(name)
        if not held:
            raise ConfigurationError(
                f"the storage of the bucket {self._bucket} does not decide between two writers: it ignores "
                "If-None-Match or If-Match",
                hint="use one with conditional writes: two processes could overwrite each other's log here",
            )

    def close(self) -> None:
        """End the threads (`Objects.close`)."""
        self._sweeper.shutdown(cancel_futures=True)
        self._pool.shutdown()

    def _read(self, name: str) -> tuple[bytes, str | None]:
        """Read an object within its limit, and its version."""
        form = form_of(name)
        result = self._get(name)
        size = result.meta["size"]
        check_length(name, size)
        data = self._ask("give", name, lambda: bytes(result.bytes()))
        if len(data) != size:
            raise self._failed("give", name, None)
        encoding = result.attributes.get("Content-Encoding", "")
        if encoding in {"", "identity"}:
            return data, result.meta["e_tag"]
        if encoding != "gzip" or not form.packed:
            raise _damaged(name, f"is stored with the encoding {encoding[:40]!r}")
        return _unpacked(name, data, form.limit), result.meta["e_tag"]

    def _get(self, name: str) -> GetResult:
        return self._ask("give", name, lambda: obstore.get(self._store, name))

    def _put(self, name: str, data: bytes) -> None:
        form = form_of(name)
        check_length(name, len(data))
        body = gzip.compress(data, compresslevel=6, mtime=0) if form.packed else data
        for _ in range(_CONFLICTS):
            try:
                self._write(name, body, form, "create")
            except (AlreadyExistsError, PreconditionError):
                try:
                    found = self.get(name)
                except FileNotFoundError:
                    continue  # another's PUT was under way, and failed
                if found != data:
                    raise other_bytes(name) from None
            return
        raise self._failed("take", name, None)

    def _write(self, name: str, data: bytes, form: Form, mode: PutMode) -> str | None:
        attributes = {"Content-Type": form.media_type, "Cache-Control": form.cache_control}
        if form.packed:
            attributes["Content-Encoding"] = "gzip"
        if form.disposition:
            attributes["Content-Disposition"] = form.disposition
        result = self._ask(
            "take",
            name,
            lambda: obstore.put(
                self._store, name, data, attributes=attributes, mode=mode, use_multipart=False
            ),
        )
        return result["e_tag"]

    def _conflicts(self, name: str, data: bytes, form: Form, mode: PutMode) -> bool:
        try:
            self._write(name, data, form, mode)
        except (AlreadyExistsError, PreconditionError):
            return True
        return False

    def _delete(self, name: str) -> None:
        try:
            self._ask("delete", name, lambda: obstore.delete(self._store, name))
        except FileNotFoundError:
            return

    def _sweep(self, folder: str) -> None:
        for one in self.list(folder):
            self._delete(one.name)

    def _swept(self, done: Future[None]) -> None:
        self._waiting.release()
        if not done.cancelled() and (failure := done.exception()) is not None:
            _LOG.info("partial tiles were not deleted, and do no harm: %s", failure)

    def _each(self, action: Callable[[str], None], names: Iterable[str]) -> None:
        """Do something for several names at once; all are done when this returns or raises."""
        waiting = [self._pool.submit(action, name) for name in names]
        failures = [failure for one in waiting if (failure := one.exception()) is not None]
        if failures:
            raise failures[0]

    def _ask(self, verb: str, name: str, question: Callable[[], _T]) -> _T:
        """Ask the storage; what it answers is told apart, and its text forgotten.

        Raises `FileNotFoundError` if it says that there is no such object, and the two errors of
        conditions as they are; for all else `UnavailableError`.
        """
        try:
            return question()
        except (AlreadyExistsError, PreconditionError) as error:
            raise type(error)(name) from None
        except FileNotFoundError as error:
            # A missing bucket is no empty one, and a page of some proxy says nothing about an object.
            if _code(error) == "NoSuchKey":
                raise FileNotFoundError(errno.ENOENT, "no such object", name) from None
            raise self._failed(verb, name, error) from None
        except (BaseError, OSError, ValueError) as error:
            raise self._failed(verb, name, error) from None

    def _failed(self, verb: str, name: str, error: Exception | None) -> UnavailableError:
        code, status = (_code(error), _status(error)) if error is not None else (None, None)
        why = " ".join(str(one) for one in (status, code) if one is not None) or "no whole answer in time"
        return UnavailableError(
            f"the bucket {self._bucket} does not {verb} {name}: {why}",
            hint=_hint(code, status),
            evidence={"bucket": self._bucket, "name": name, "code": code, "status": status},
        )

    def _version(self, e_tag: str | None) -> str:
        if not e_tag:
            raise UnavailableError(
                f"the storage of the bucket {self._bucket} gives objects no ETag",
                hint="use one with ETags and conditional writes",
            )
        return e_tag


def _parse(url: str) -> _Place:
    """Read an address. What is wrong is told without repeating it: people put secrets into addresses."""
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise _no_address("it can't be read") from None
    prefix = parts.path.strip("/")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise _no_address("a name, a password or a fragment has no place in it")
    if parts.scheme != "s3" or not _BUCKET.fullmatch(parts.netloc):
        raise _no_address("it begins with s3:// and a bucket's name")
    if prefix and not _PREFIX.fullmatch(prefix):
        raise _no_address("its prefix has parts of letters, digits and . _ -")
    unknown = options.keys() - {"endpoint", "region", "timeout", "credentials"}
    if unknown:
        raise _no_address("its options are endpoint, region, timeout and credentials=instance")
    if options.get("credentials", "instance") != "instance":
        raise _no_address("credentials can only be `instance`; keys belong into the environment")
    region = options.get("region")
    if region is not None and not _REGION.fullmatch(region):
        raise _no_address("its region is no name of one")
    endpoint = options.get("endpoint") or next(
        (os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), None
    )
    return _Place(
        parts.netloc, prefix, _endpoint(endpoint), region, _seconds(options), "credentials" in options
    )


def _endpoint(text: str | None) -> str | None:
    if text is None:
        return None
    parts = urlsplit(text)
    plain = not (parts.username or parts.password or parts.query or parts.fragment)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not plain:
        raise _no_address("its endpoint is an http:// or https:// address without a password")
    return text.rstrip("/")


def _seconds(options: Mapping[str, str]) -> float:
    text = options.get("timeout", str(_SECONDS))
    if not re.fullmatch(r"[0-9]{1,3}(?:\.[0-9]{1,3})?", text) or not 0 < float(text) <= _MAX_SECONDS:
        raise _no_address(f"its timeout is a number of seconds up to {_MAX_SECONDS:.0f}")
    return float(text)


def _no_address(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the storage's address can't be used: {why}",
        hint="give --storage s3://BUCKET/PREFIX; keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    )


def _check_credentials(place: _Place) -> None:
    """Without credentials the library would look for a machine's role on the network, and wait."""
    if not place.instance and not any(os.environ.get(name) for name in _CREDENTIALS):
        raise ConfigurationError(
            f"there are no credentials for the bucket {place.bucket}",
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or add ?credentials=instance to the "
            "address to use the role of this machine",
        )


def _connect(place: _Place) -> S3Store:
    config: dict[str, Any] = {"conditional_put": "etag"}
    if place.endpoint is not None:
        config["endpoint"] = place.endpoint
    if place.region is not None:
        config["region"] = place.region
    limit = timedelta(seconds=place.seconds)
    try:
        return S3Store(
            place.bucket,
            prefix=place.prefix or None,
            config=config,  # type: ignore[arg-type]  # a TypedDict that is built step by step
            client_options={
                "allow_http": (place.endpoint or "").startswith("http://"),
                "connect_timeout": min(limit, timedelta(seconds=5)),
                "timeout": limit,
            },
            retry_config={
                "max_retries": _RETRIES,
                "retry_timeout": limit,
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=2),
                    "base": 2,
                },
            },
        )
    except (BaseError, OSError, ValueError):
        raise ConfigurationError(
            f"the bucket {place.bucket} can't be opened with these settings",
            hint="look at the AWS_… variables of the environment",
        ) from None


def _code(error: Exception) -> str | None:
    match = _CODE.search(str(error))
    return match[1] if match is not None else None


def _status(error: Exception) -> int | None:
    match = _STATUS.search(str(error))
    return int(match[1]) if match is not None else None


def _hint(code: str | None, status: int | None) -> str:
    """Say what an operator does about an error."""
    if code == "NoSuchBucket":
        return "make the bucket first, or correct its name in --storage"
    if code in {"InvalidAccessKeyId", "SignatureDoesNotMatch"} or status in _FORBIDDEN:
        return (
            "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; they need s3:ListBucket, s3:GetObject, "
            "s3:PutObject and s3:DeleteObject on this bucket and prefix"
        )
    return "try again in a few seconds; nothing acknowledged is lost"


def _unpacked(name: str, data: bytes, limit: int) -> bytes:
    machine = zlib.decompressobj(wbits=31)
    try:
        plain = machine.decompress(data, limit + 1)
    except zlib.error:
        raise _damaged(name, "is not gzip, as it says") from None
    check_length(name, len(plain))
    if not machine.eof or machine.unused_data:
        raise _damaged(name, "is gzip that is cut off, or goes on after its end")
    return plain


def _damaged(name: str, how: str) -> LogError:
    return LogError(
        f"{name} {how}",
        hint="something else than this registry has written there: weighbridge log fsck",
        evidence={"name": name},
    )
