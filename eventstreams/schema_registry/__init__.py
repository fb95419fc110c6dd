"""Registers our schemas at a Confluent-compatible schema registry, for outside consumers. We never read them there."""

from eventstreams.schema_registry.client import RegistryError, SchemaRegistry
from eventstreams.schema_registry.registration import Refused, Registered, RegistrationOutcome, register

__all__ = ["Refused", "Registered", "RegistrationOutcome", "RegistryError", "SchemaRegistry", "register"]
