using TorchSharp.Modules;

namespace Curvature.Optimizers;

/// <summary>
/// Hyperparameters of a group. Null ones are taken from the optimizer's defaults when the group is added. A kind of options lists its numbers once (<see cref="Values"/>); filling,
/// saving and loading follow from the list.
/// </summary>
public abstract class CurvatureOptimizerOptions : OptimizerOptions
{
    /// <summary>All numbers but the learning rates, in the order in which they are saved; a flag is 0 or 1, a choice its number.</summary>
    protected abstract double?[] Values { get; set; }

    /// <inheritdoc/>
    public override void SaveStateDict(BinaryWriter writer)
    {
        base.SaveStateDict(writer);
        foreach (double? value in Values)
        {
            writer.Write(value ?? double.NaN);
        }
    }

    /// <inheritdoc/>
    public override void LoadStateDict(BinaryReader reader)
    {
        base.LoadStateDict(reader);
        Values = [.. Values.Select(_ => reader.ReadDouble() is var value && double.IsNaN(value) ? (double?)null : value)];
        Check();
    }

    /// <inheritdoc/>
    public override void LoadStateDict(OptimizerOptions source)
    {
        base.LoadStateDict(source);
        Values = source.GetType() == GetType()
            ? ((CurvatureOptimizerOptions)source).Values
            : throw new CurvatureException($"Expected {GetType().Name}, got {source.GetType().Name}: the state is another optimizer's.");
    }

    /// <summary>Takes what is null from the defaults.</summary>
    internal void Fill(CurvatureOptimizerOptions defaults)
    {
        LearningRate ??= defaults.LearningRate;
        Values = [.. Values.Zip(defaults.Values, (own, other) => own ?? other)];
        Check();
    }

    /// <summary>Refuses values that make no step.</summary>
    /// <exception cref="CurvatureException">A value out of its range.</exception>
    protected internal virtual void Check() => Require(LearningRate is null or >= 0, nameof(LearningRate), LearningRate, "a number from 0");

    /// <summary>The error of one value.</summary>
    /// <param name="holds">Whether the value is in its range.</param>
    /// <param name="name">The property.</param>
    /// <param name="value">Its value.</param>
    /// <param name="range">What it should be.</param>
    /// <exception cref="CurvatureException">It does not hold.</exception>
    protected void Require(bool holds, string name, double? value, string range)
    {
        if (!holds)
        {
            throw new CurvatureException(FormattableString.Invariant($"{GetType().Name}.{name} should be {range}; got {value}."));
        }
    }

    private protected void RequireDecays(double? beta1, double? beta2)
    {
        Require(beta1 is null or (>= 0 and < 1), "Beta1", beta1, "in [0, 1)");
        Require(beta2 is null or (>= 0 and < 1), "Beta2", beta2, "in [0, 1)");
    }
}
