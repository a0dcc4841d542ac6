using Curvature.Tests.Distributed;

// Run by mpirun (RankProgram), not by the test host, which loads the assembly's tests and asks for no entry point.
return args is ["ranks", .. string[] rest] ? RankProgram.Run(rest) : 2;
