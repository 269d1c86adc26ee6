"""SAM-I-Am's semantic booster: from the raw masks of any proposer to K materials."""
