namespace OxyPlot.Annotations;

/// <summary>A text at a point, in a black frame.</summary>
public class TextAnnotation : TextualAnnotation
{
    public TextAnnotation() => TextVerticalAlignment = VerticalAlignment.Bottom;

    public OxyColor Background { get; set; } = OxyColors.Undefined;
    public double StrokeThickness { get; set; } = 1;
    public OxyThickness Padding { get; set; } = new(4);

    internal override void Render(Canvas canvas)
    {
        string text = Text ?? throw new InvalidOperationException("A text annotation needs a text.");
        ScreenPoint at = new(
            PlotModel.FindAxis(horizontal: true).Transform(TextPosition.X),
            PlotModel.FindAxis(horizontal: false).Transform(TextPosition.Y));
        OxySize size = canvas.Measure(text, ActualFontSize);
        double left = at.X - (size.Width * (1 + (int)TextHorizontalAlignment) / 2);
        double top = at.Y - (size.Height * (1 + (int)TextVerticalAlignment) / 2);
        OxyRect frame = new(
            left - Padding.Left,
            top - Padding.Top,
            size.Width + Padding.Left + Padding.Right,
            size.Height + Padding.Top + Padding.Bottom);
        canvas.Rectangle(frame, Background, OxyColors.Black, StrokeThickness);
        canvas.Text(at, text, ActualTextColor, ActualFontSize, TextHorizontalAlignment, TextVerticalAlignment);
    }
}
