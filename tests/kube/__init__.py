"""The carrier over a Kubernetes API server, and its commands, on a real kube-apiserver with etcd."""
