"""Programs that run on a node as they stand here, in its lib; its bin starts them. Standard library alone."""
