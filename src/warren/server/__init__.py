"""The signaling server: a core that routes (`relay`) and its gRPC engine (`service`, `grpc`)."""
