"""What each pod checks before it trains: GPU, video decoder, network between ranks, store and disk."""
