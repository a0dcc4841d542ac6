namespace Curvature.Objectives;

/// <summary>What this rank's batches are of the whole data, which is the ranks' shards one after the other.</summary>
/// <param name="Terms">Loss terms of all ranks.</param>
/// <param name="FirstRow">Rows of the ranks before this one.</param>
/// <param name="Holder">The first rank that has loss terms.</param>
internal sealed record DataShare(double Terms, long FirstRow, int Holder);
