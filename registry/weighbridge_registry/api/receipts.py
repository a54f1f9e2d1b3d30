# SPDX-License-Identifier: Apache-2.0
"""Answers to submissions, made for many at once: a batch of the log is published as one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeAlias

from starlette.concurrency import run_in_threadpool

from weighbridge_registry.queries import Queries
from weighbridge_schemas.api import SubmissionResult

__all__ = ["Receipts"]

_Places: TypeAlias = Sequence[tuple[int, bool]]


class Receipts:
    """Answers for submitted statements, from one snapshot for all who ask at one time.

    Used from the event loop only.
    """

    def __init__(self, queries: Queries, after: Callable[[], None]) -> None:
        """Answer from `queries`; what is to be done `after` that is done once for many, by another thread."""
        self._queries = queries
        self._after = after
        self._following: asyncio.Task[None] | None = None
        self._more = False
        self._asked: list[tuple[_Places, asyncio.Future[tuple[SubmissionResult, ...]]]] = []
        self._task: asyncio.Task[None] | None = None

    async def answer(self, places: _Places) -> tuple[SubmissionResult, ...]:
        """Answer for statements that are published, given as (index, created)."""
        future: asyncio.Future[tuple[SubmissionResult, ...]] = asyncio.get_running_loop().create_future()
        self._asked.append((places, future))
        if self._task is None:
            self._task = asyncio.create_task(self._answer_all())
        return await future

    async def _answer_all(self) -> None:
        try:
            await self._answer_those_who_ask()
        finally:
            self._task = None

    async def _answer_those_who_ask(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, []
            every = [place for places, _ in asked for place in places]
            try:
                results = iter(await run_in_threadpool(self._queries.submissions, every))
            except Exception as error:  # noqa: BLE001 - whatever it is, those who asked are told
                for _, future in asked:
                    if not future.done():
                        future.set_exception(error)
                continue
            for places, future in asked:
                found = tuple(islice(results, len(places)))
                if not future.done():  # whoever asked may have gone
                    future.set_result(found)
            self._follow()

    def _follow(self) -> None:
        self._more = True
        if self._following is None:
            self._following = asyncio.create_task(self._do_after())

    async def _do_after(self) -> None:
        try:
            while self._more:
                self._more = False
                await run_in_threadpool(self._after)
        finally:
            self._following = None
