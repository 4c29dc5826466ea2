"""What tests ask of a broker, however it was started."""

from abc import ABC, abstractmethod

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec


class Reachable(ABC):
    """Brokers that answer at some addresses."""

    @property
    @abstractmethod
    def bootstrap(self) -> str:
        """The addresses: host:port,host:port."""

    @property
    def url(self) -> str:
        return f"kafka://{self.bootstrap}"

    def admin(self) -> AdminClient:
        # The client says on stderr what a broker that is just starting does not answer yet.
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def end_offset(self, topic: str, partition: int = 0) -> int:
        """How many messages a partition has ever had."""
        place = TopicPartition(topic, partition)
        admin = self.admin()  # kept until it has answered: without it, nobody does
        offset: int = admin.list_offsets({place: OffsetSpec.latest()})[place].result(10).offset
        return offset
