"""Model versions → what they reach on the golden set, and whether that promotes them."""
