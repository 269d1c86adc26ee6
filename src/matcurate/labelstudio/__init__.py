"""Label Studio: its client, its labelling configuration, its region formats."""
