"""The Faust transport: its consumer polls with librdkafka, its producer refuses."""

from __future__ import annotations

from typing import ClassVar

import confluent_kafka
from faust.transport.base import Transport

from stream.faust_app.consumer import FetchConsumer
from stream.faust_app.producer import RefusingProducer


class FetchTransport(Transport):
    """Delivers one message a fetch and topic. Its app is a `stream.faust_app.app.StreamApp`, which has the settings."""

    Consumer: ClassVar[type[FetchConsumer]] = FetchConsumer
    Producer: ClassVar[type[RefusingProducer]] = RefusingProducer
    default_port: ClassVar[int] = 9092
    driver_version: str = f"confluent-kafka={confluent_kafka.version()}"
