using Curvature.Tests.Core.Tensors;
using Curvature.Tests.Distributed;
using Curvature.Tests.Fixtures;

// Run by mpirun (RankProgram) and by the tests of devices (DeviceProgram) and of memory, not by the test host, which loads the assembly's tests and asks for no entry point.
return args switch
{
    ["ranks", .. string[] rest] => RankProgram.Run(rest),
    ["device", string file] => DeviceProgram.Run(file),
    ["freed-memory", string what] => FreedMemoryTests.Run(what),
    _ => 2,
};
