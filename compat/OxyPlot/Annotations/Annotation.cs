namespace OxyPlot.Annotations;

/// <summary>What an annotation covers and what covers it.</summary>
public enum AnnotationLayer
{
    BelowSeries = 1,
    AboveSeries = 2,
}

/// <summary>A mark in the units of the axes that is not data: the axes do not stretch for it.</summary>
public abstract class Annotation : PlotElement
{
    public AnnotationLayer Layer { get; set; } = AnnotationLayer.AboveSeries;

    internal abstract void Render(Canvas canvas);
}

/// <summary>An annotation that turns with the axes.</summary>
public abstract class TransposableAnnotation : Annotation;

/// <summary>An annotation with a text.</summary>
public abstract class TextualAnnotation : TransposableAnnotation
{
    public string? Text { get; set; }
    public DataPoint TextPosition { get; set; } = DataPoint.Undefined;
    public HorizontalAlignment TextHorizontalAlignment { get; set; } = HorizontalAlignment.Center;
    public VerticalAlignment TextVerticalAlignment { get; set; } = VerticalAlignment.Middle;
}
