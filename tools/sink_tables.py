"""Makes the tables of keys in ``docs/sinks`` from the descriptions in the configuration models."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from sink_workers.plugins.amqp.config import AmqpConfig
from sink_workers.plugins.email.config import EmailConfig
from sink_workers.plugins.kafka.config import KafkaConfig
from sink_workers.plugins.kinesis.config import KinesisConfig
from sink_workers.plugins.s3.config import S3Config
from sink_workers.plugins.segment.config import SegmentConfig
from sink_workers.plugins.sqs.config import SqsConfig

MODELS: Final[Mapping[str, type[BaseModel]]] = {
    "amqp.md": AmqpConfig,
    "email.md": EmailConfig,
    "kafka.md": KafkaConfig,
    "kinesis.md": KinesisConfig,
    "s3.md": S3Config,
    "segment.md": SegmentConfig,
    "sqs.md": SqsConfig,
}
_BEGIN: Final = "<!-- The table is written by `make docs` from the configuration model. -->\n"
_END: Final = "<!-- Until here. -->\n"


def with_table(page: str, model: type[BaseModel]) -> str:
    """``page`` with the table of ``model`` between its two marks."""
    return re.sub(f"{re.escape(_BEGIN)}.*{re.escape(_END)}", lambda _: _block(model), page, flags=re.DOTALL)


def pages(folder: Path) -> Iterator[tuple[Path, str]]:
    """Each page that has a table, with its expected content."""
    for name, model in MODELS.items():
        yield folder / name, with_table((folder / name).read_text(), model)


def _block(model: type[BaseModel]) -> str:
    rows = "\n".join(
        f"| `{name}` | {_default(field)} | {'yes' if _is_secret(field) else ''} | {field.description} |"
        for name, field in model.model_fields.items()
    )
    return f"{_BEGIN}\n| key | default | secret | meaning |\n|---|---|---|---|\n{rows}\n\n{_END}"


def _default(field: FieldInfo) -> str:
    if isinstance(field.default, bool):
        return f"`{field.default}`".lower()
    return "\N{EN DASH}" if field.is_required() or not field.default else f"`{field.default}`"


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *get_args(field.annotation))
