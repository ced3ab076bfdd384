//! What we know of the cluster, from watches; a query answers from memory. The sole home of kube.
