"""From the maps of the built-in network to phases, objects and grains."""
