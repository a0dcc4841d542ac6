using Curvature.Estimators;
using Curvature.Sharpness;
using Curvature.Viz.Figures;

namespace Curvature.Viz.Report;

/// <summary>The sections of a sharpness report about learning rates and batch sizes.</summary>
internal static class StabilitySections
{
    public static IEnumerable<ReportBlock> Limits(SharpnessSummary summary)
    {
        if (summary.Stability is not { } stability)
        {
            yield break;
        }

        OptimizerSetting setting = stability.Setting;
        yield return new Paragraph(
            "Beyond its limit a rule makes the component along the sharpest direction grow from step to step: training then moves to where the loss is flatter, or diverges. Trained with full batches at a constant "
            + "rate, networks sharpen until they stand at the limit and stay there.");
        if (stability.PreconditionedSharpness is { } seen)
        {
            yield return new Paragraph(
                $"{setting.Rule.Title} divides each coordinate by the root of its averaged squared gradient: the sharpness it sees, the largest eigenvalue of P⁻¹H, is {NumberText.Of(seen.Value)}. "
                + "A checkpoint holds no state of the optimizer; P was made of the gradients of batches at the checkpoint.");
        }

        if (stability.BatchSharpness is { MeanOfRatios: var along })
        {
            yield return new Paragraph(
                $"The curvature of batches of {NumberText.Of((long)setting.BatchSize!)} along their own gradients is {NumberText.Of(along)}, that of the full loss along its sharpest direction {NumberText.Of(stability.Sharpness.Value)}. "
                + "The other limits with noise are conditions without which the mean square of the distance to a minimum grows.");
        }

        double? rate = setting.LearningRate;
        yield return new ReportTable(
            "Largest stable learning rates",
            [new("rule", false), new("condition", false), new("limit"), .. rate is null ? Array.Empty<ReportColumn>() : [new ReportColumn("rate / limit")]],
            [.. stability.Limits.Select(limit => (string[])
            [
                limit.Rule,
                limit.Condition,
                limit.StandardError > 0 && double.IsFinite(limit.StandardError) ? NumberText.Of(new Estimate(limit.Rate, limit.StandardError, 0, 2)) : NumberText.Of(limit.Rate),
                .. rate is { } used ? [NumberText.Of(used / limit.Rate, 3)] : Array.Empty<string>(),
            ])]);
    }

    public static IEnumerable<ReportBlock> BatchSizes(SharpnessSummary summary)
    {
        if (summary.BatchSizes is not { } found)
        {
            yield break;
        }

        BatchSizeLaw law = found.Directional, isotropic = found.Isotropic;
        yield return new Paragraph(
            "The Hessian of a mini-batch is that of all samples and noise. Taken for a random matrix, the noise moves the ends of the spectrum outwards: an eigenvalue λ beyond it becomes λ + t²/λ, and below the critical "
            + $"batch size, here about {NumberText.Of(law.CriticalBatch, 3)}, the noise's own edge ±2t is all there is (t² falls with the batch size). The largest stable rate then grows with the root of the batch size, and levels "
            + "off above. The theory's noise is alike in all directions; a network's is not, so that the noise along its sharpest direction tells more.");
        if (found.Measured.Any(size => double.IsFinite(size.Largest.Value)))
        {
            yield return new ReportFigure(
                new BatchSizeFigure(found),
                "Points are means over batches drawn, with their 95 % intervals; curves are predictions from the full data's eigenvalues and the noise. Filled: the largest eigenvalue; hollow: the smallest, its sign turned.");
        }

        yield return new ReportTable(
            "Ends of the spectrum by batch size ± standard error, and as predicted; damping: the least that leaves no negative eigenvalue",
            [new("batch size"), new("λmax"), new("predicted"), new("isotropic"), new("λmin"), new("isotropic"), new("stable rate"), new("damping")],
            [.. found.Measured.Select(size => (string[])
            [
                NumberText.Of((long)size.BatchSize),
                NumberText.Of(size.Largest),
                NumberText.Of(law.LargestAt(size.BatchSize)),
                NumberText.Of(isotropic.LargestAt(size.BatchSize)),
                NumberText.Of(size.Smallest),
                NumberText.Of(isotropic.SmallestAt(size.BatchSize)),
                NumberText.Of(2 / size.Largest.Value, 3),
                NumberText.Of(Math.Max(0, -size.Smallest.Value), 3),
            ])]);
    }
}
