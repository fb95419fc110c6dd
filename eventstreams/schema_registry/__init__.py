"""Our schemas at a Confluent-compatible schema registry, for readers from outside. Nothing of ours asks it."""

from eventstreams.schema_registry.client import RegistryError, SchemaRegistry
from eventstreams.schema_registry.registration import Refused, Registered, RegistrationOutcome, register

__all__ = ["Refused", "Registered", "RegistrationOutcome", "RegistryError", "SchemaRegistry", "register"]
