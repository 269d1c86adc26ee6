"""The built-in network: learned boundaries, trained on generated and public micrographs (docs/methods/builtin.md)."""
