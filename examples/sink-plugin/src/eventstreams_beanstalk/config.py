"""Configuration of a beanstalk sink, as subscribers give it in ``SinkConfiguration``."""

from pydantic import BaseModel, ConfigDict, Field


class BeanstalkConfig(BaseModel):
    """Where the jobs go."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=11300, ge=1, le=65535)
    tube: str = Field(default="events", pattern=r"^[A-Za-z0-9+/;.$_()][A-Za-z0-9+/;.$_()-]{0,199}$")
