"""Durable jobs: DBOS Transact, which this module alone imports.

A job is a workflow whose arguments are a ticket, so that nothing of an article is kept twice. It has no
steps: what it does may be done again, since the outcome is kept once and answers of the model are in the
cache. So a job that was under way when its process died costs a row to recover, and one more call at most.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Sequence

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions, WorkflowSerializationFormat
from dbos._serialization import DBOSPortableJSON

from service.batches.ledger import Ticket

Work = Callable[[Ticket], Coroutine[object, object, None]]

_NAME = "standfirst"
_QUEUE = "articles"
_WORKFLOW = "article"
# By default a hash of the code, so that jobs would strand after a deployment.
_VERSION = "1"
# A job that takes its process down with it is not tried for ever.
_RECOVERIES = 20
_BROKEN = ["ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
_POLL_S = 0.1
_THREADS = 8
_ONE = threading.Lock()
_log = logging.getLogger(__name__)


class Engine:
    """Runs jobs in this process. DBOS is one per process, so there is one of these at a time.

    Args:
        database: Where jobs are kept.
        executor_id: Unique among all processes that live, so that jobs of one that died can be told.
        concurrency: Most jobs of this process at once.
        work: What a job does; runs in the event loop that called `start`.
    """

    def __init__(self, database: sa.Engine, executor_id: str, concurrency: int, work: Work) -> None:
        self._database = database
        self._executor_id = executor_id
        self._concurrency = concurrency
        self._work = work
        self._client: DBOSClient | None = None

    def launch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take jobs from now on; blocks, so call it in a thread: DBOS then has an event loop of its own.

        Raises:
            RuntimeError: this process has one that was not stopped.
        """
        if not _ONE.acquire(blocking=False):
            raise RuntimeError("another engine runs in this process")
        try:
            self._launch(loop)
        except BaseException:
            DBOS.destroy(destroy_registry=True)
            _ONE.release()
            raise

    def _launch(self, loop: asyncio.AbstractEventLoop) -> None:
        config = DBOSConfig(
            name=_NAME,
            system_database_engine=self._database,
            application_version=_VERSION,
            executor_id=self._executor_id,
            serializer=DBOSPortableJSON,
            use_listen_notify=False,
            max_executor_threads=_THREADS,
            log_level="WARNING",
        )
        logging.getLogger("dbos").addHandler(logging.NullHandler())  # else it adds one for the console
        DBOS(config=config)

        @DBOS.workflow(
            name=_WORKFLOW,
            max_recovery_attempts=_RECOVERIES,
            serialization_type=WorkflowSerializationFormat.PORTABLE,
        )
        async def run(batch_id: str, line: int, round_: int) -> None:
            work = asyncio.run_coroutine_threadsafe(self._work(Ticket(batch_id, line, round_)), loop)
            await asyncio.wrap_future(work)

        DBOS.launch()
        DBOS.register_queue(
            _QUEUE,
            worker_concurrency=self._concurrency,
            polling_interval_sec=_POLL_S,
            on_conflict="always_update",
        )
        self._client = DBOSClient(
            system_database_engine=self._database, serializer=DBOSPortableJSON, application_name=_NAME
        )

    def enqueue(self, connection: sa.Connection, ticket: Ticket) -> None:
        """Make a job as part of a transaction; one that exists stays as it is."""
        assert self._client is not None  # noqa: S101 - for the type checker
        options = EnqueueOptions(
            workflow_name=_WORKFLOW,
            queue_name=_QUEUE,
            workflow_id=ticket.id,
            app_version=_VERSION,
            serialization_type=WorkflowSerializationFormat.PORTABLE,
        )
        self._client.enqueue_in_transaction(connection, options, ticket.batch_id, ticket.line, ticket.round)

    def recover(self, dead: Sequence[str]) -> None:
        """Let others take the jobs of processes that died; blocks.

        Safe to do twice and by several at once: a job that somebody took since is not touched.
        """
        DBOS._recover_pending_workflows(list(dead))  # noqa: SLF001 - the public way is a paid service's

    def broken(self, most: int) -> list[Ticket]:
        """The jobs that will not be tried again, because they took too many processes down; blocks."""
        return [Ticket.parse(job) for job in self._list(_BROKEN, most)]

    def sweep(self, most: int) -> int:
        """Forget jobs that have ended, since outcomes are kept with the articles; blocks."""
        assert self._client is not None  # noqa: S101 - for the type checker
        ended = self._list(["SUCCESS", *_BROKEN], most)
        if ended:
            self._client.delete_workflows(ended)
        return len(ended)

    def _list(self, statuses: list[str], most: int) -> list[str]:
        assert self._client is not None  # noqa: S101 - for the type checker
        found = self._client.list_workflows(
            status=statuses, name=_WORKFLOW, limit=most, load_input=False, load_output=False
        )
        return [job.workflow_id for job in found]

    def stop(self, grace_s: int) -> None:
        """Take no more jobs, and give those under way some seconds; blocks.

        What is still under way then is left as it is, for whoever recovers it.
        """
        # Without a second for them to end, its threads would take jobs for a loop that is closed.
        DBOS.destroy(workflow_completion_timeout_sec=max(1, grace_s), destroy_registry=True)
        if self._client is not None:
            self._client.destroy()
        _ONE.release()
