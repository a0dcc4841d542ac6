namespace TorchSharp;

public static partial class torch
{
    internal enum TensorIndexKind { Slice, Single, NewAxis, Ellipsis, Tensor }

    /// <summary>One entry of an index expression: a number, a range, a new dimension, "all the rest", or a tensor of positions or a mask.</summary>
    public struct TensorIndex
    {
        internal TensorIndexKind Kind { get; private init; }

        internal long? Start { get; private init; }

        internal long? Stop { get; private init; }

        internal long? Stride { get; private init; }

        internal Tensor? Value { get; private init; }

        /// <summary>How many dimensions of the indexed tensor it stands for.</summary>
        internal readonly long Consumes => Kind switch
        {
            TensorIndexKind.NewAxis or TensorIndexKind.Ellipsis => 0,
            TensorIndexKind.Tensor when Value!.dtype == ScalarType.Bool => Value.ndim,
            _ => 1,
        };

        public static TensorIndex Ellipsis = new() { Kind = TensorIndexKind.Ellipsis };

        /// <summary>A new dimension of length 1 (as None in Python).</summary>
        public static TensorIndex None = new() { Kind = TensorIndexKind.NewAxis };

        public static TensorIndex Colon = Slice();

        public static TensorIndex Slice(long? start = null, long? stop = null, long? step = null) =>
            new() { Kind = TensorIndexKind.Slice, Start = start, Stop = stop, Stride = step };

        public static TensorIndex Slice(Range range) => Slice(Position(range.Start, false), Position(range.End, true));

        public static TensorIndex Single(long? index) =>
            index is long at ? new() { Kind = TensorIndexKind.Single, Start = at } : None;

        public static TensorIndex Tensor(Tensor tensor) => new() { Kind = TensorIndexKind.Tensor, Value = tensor };

        public static implicit operator TensorIndex(long value) => Single(value);

        public static implicit operator TensorIndex(Range range) => Slice(range);

        public static implicit operator TensorIndex(Index index) => Single(Position(index, false));

        // ^0 as an end is "to the end", which libtorch writes as no end at all.
        private static long? Position(Index index, bool isEnd) =>
            !index.IsFromEnd ? index.Value : index.Value == 0 && isEnd ? null : -index.Value;
    }
}
