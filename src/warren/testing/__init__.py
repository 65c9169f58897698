"""What tests stand on, ours and those of others: virtual time, a network with NATs, signaling, contracts."""
