namespace Curvature.Quant.Calibration;

/// <summary>How the smallest and largest activation come together over samples and batches.</summary>
public enum ActivationExtremes
{
    /// <summary>Over everything seen: nothing is clipped.</summary>
    All,

    /// <summary>Each sample's extremes, averaged over the samples (Hubara et al. 2020, CalibTIP: its quantizers' measure mode): rare peaks are clipped.</summary>
    MeanOfSamples,

    /// <summary>Each batch's extremes as an exponentially fading mean, <c>r = m r + (1 - m) batch</c>, the first batch's to begin with (HAWQ).</summary>
    RunningMean,
}
