using Curvature.Tests.Core;
using Curvature.Tests.Core.Estimators;
using Curvature.Tests.Core.Tensors;
using Curvature.Tests.Distributed;
using Curvature.Tests.Fixtures;

// Run by mpirun (RankProgram) and by the tests of devices (DeviceProgram), of memory and of files, not by the test host, which loads the assembly's tests and asks for no entry point.
return args switch
{
    ["ranks", .. string[] rest] => RankProgram.Run(rest),
    ["device", string file] => DeviceProgram.Run(file),
    ["freed-memory", string what] => FreedMemoryTests.Run(what),
    ["product-cost"] => ProductCostTests.Run(),
    ["write", string file] => AtomicFileTests.Write(file),
    _ => 2,
};
