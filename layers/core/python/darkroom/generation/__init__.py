"""What makes media: the ports, the vendors, the routing between them, prompts and captions."""
