"""The built-in network: objects, contacts, outlines and depth of any micrograph, on an ImageNet encoder."""
