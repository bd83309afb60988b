"""GraphQL schemas -> capability files: one tool for each query and each mutation. Needs graphql-core."""

from magictunnel.generators.graphql.make import Options, generate
from magictunnel.generators.graphql.read import introspected, schema_of

__all__ = ["Options", "generate", "introspected", "schema_of"]
