using System.Runtime.ExceptionServices;
using Curvature.Tensors;

namespace Curvature.Objectives;

/// <summary>
/// How an error on one rank becomes one on all, so that none is left waiting: every rank says whether it has one, and those without throw the first one's message. Errors keep their type where somebody may
/// go on after it.
/// </summary>
internal static class RankErrors
{
    private const string Shared = "Curvature.SharedByRanks";

    private static readonly (Type Type, Func<string, Exception> Make)[] Kinds =
    [
        (typeof(OperationCanceledException), message => new OperationCanceledException(message)),
        (typeof(NonFiniteException), message => new NonFiniteException(message)),
        (typeof(NonDeterministicException), message => new NonDeterministicException(message)),
        (typeof(NoSecondDerivativeException), message => new NoSecondDerivativeException(message)),
        (typeof(CurvatureException), message => new CurvatureException(message)),
        (typeof(Exception), message => new CurvatureException(message)),
    ];

    /// <summary>What a part throws, or null.</summary>
    public static Exception? Caught(Action part)
    {
        try
        {
            part();
            return null;
        }
        catch (Exception error) // whatever it is, the other ranks wait to hear of it; it is thrown again after that
        {
            return error;
        }
    }

    /// <summary>Throws on every rank where one has an error; collective.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="error">This rank's, or null.</param>
    public static void Share(IRanks ranks, Exception? error)
    {
        double[] kinds = ranks.Gather(error is null ? 0 : 1 + Array.FindIndex(Kinds, kind => kind.Type.IsInstanceOfType(error)));
        int first = Array.FindIndex(kinds, kind => kind != 0);
        if (first < 0)
        {
            return;
        }

        if (error is not null)
        {
            error.Data[Shared] = true;
        }

        string message = ranks.TextFrom(first, error is null or CurvatureException or OperationCanceledException ? error?.Message : $"{error.GetType().Name}: {error.Message}");
        if (error is not null)
        {
            ExceptionDispatchInfo.Throw(error);
        }

        Exception told = Kinds[(int)kinds[first] - 1].Make($"On rank {first} of {ranks.Count}: {message}");
        told.Data[Shared] = true;
        throw told;
    }

    /// <summary>Whether an error, or what it was made of, is one that every rank has thrown.</summary>
    public static bool IsShared(Exception error) => error.Data.Contains(Shared) || (error.InnerException is { } inner && IsShared(inner));
}
