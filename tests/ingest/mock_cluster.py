"""librdkafka's own mock cluster, for errors that a real broker gives only in rare moments.

The library inside the client's wheel exports it; a second copy is loaded here, which shares nothing with the client's.
"""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import confluent_kafka

OFFSET_COMMIT = 8
"""Key of the request in Kafka's protocol."""


def _library() -> Any:
    package = Path(confluent_kafka.__file__).parent
    for pattern in ("../confluent_kafka.libs/librdkafka-*.so*", ".dylibs/librdkafka*.dylib"):
        for found in package.glob(pattern):
            return ctypes.CDLL(str(found))
    return None


class MockCluster:
    """One mock broker with one topic. Use as a context manager."""

    def __init__(self, topic: str, partitions: int) -> None:
        library = self._rk = _library()
        assert library is not None, "the wheel of confluent-kafka holds no librdkafka"
        for name in ("rd_kafka_new", "rd_kafka_mock_cluster_new", "rd_kafka_conf_new"):
            getattr(library, name).restype = ctypes.c_void_p
        library.rd_kafka_mock_get_requests.restype = ctypes.POINTER(ctypes.c_void_p)
        library.rd_kafka_mock_request_api_key.restype = ctypes.c_int16
        library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        reason = ctypes.create_string_buffer(512)
        producer = library.rd_kafka_new(0, ctypes.c_void_p(library.rd_kafka_conf_new()), reason, 512)
        assert producer, reason.value
        self._client = ctypes.c_void_p(producer)
        self._cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(self._client, 1))
        # Its first rebalance waits three seconds by default, longer than a member may be silent here.
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, ctypes.c_int32(0))
        assert library.rd_kafka_mock_topic_create(self._cluster, topic.encode(), partitions, 1) == 0
        library.rd_kafka_mock_start_request_tracking(self._cluster)

    def __enter__(self) -> "MockCluster":
        return self

    def __exit__(self, *_: object) -> None:
        self._rk.rd_kafka_mock_cluster_destroy(self._cluster)
        self._rk.rd_kafka_destroy(self._client)

    @property
    def url(self) -> str:
        return f"kafka://{self._rk.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()}"

    def fail_next(self, request: int, errors: Sequence[int]) -> None:
        """Answer the next requests of a kind with these errors."""
        array = (ctypes.c_int * len(errors))(*errors)
        self._rk.rd_kafka_mock_push_request_errors_array(
            self._cluster, ctypes.c_int16(request), ctypes.c_size_t(len(errors)), array
        )

    def requests(self, request: int) -> int:
        """How many requests of a kind have come."""
        count = ctypes.c_size_t()
        found = self._rk.rd_kafka_mock_get_requests(self._cluster, ctypes.byref(count))
        kinds = [self._rk.rd_kafka_mock_request_api_key(ctypes.c_void_p(found[n])) for n in range(count.value)]
        self._rk.rd_kafka_mock_request_destroy_array(found, count)
        return kinds.count(request)
