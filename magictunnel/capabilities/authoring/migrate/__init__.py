"""Capability files of MagicTunnel 0.3 -> those of today, with all that could not be carried told."""

from magictunnel.capabilities.authoring.migrate.file import is_old, migrated
from magictunnel.capabilities.authoring.migrate.report import Migrated

__all__ = ["Migrated", "is_old", "migrated"]
