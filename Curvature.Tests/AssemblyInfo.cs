// libtorch's threads, random state and tensor counts belong to the process: tests run one after the other.
[assembly: Xunit.CollectionBehavior(DisableTestParallelization = true)]
