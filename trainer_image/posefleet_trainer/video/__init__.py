"""Key-frame index, packets, proxies, decoding."""
