using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Compat;

/// <summary>Handles, element access and in-place operations: what our code relies on beyond signatures.</summary>
public sealed class TensorTests
{
    [Fact]
    public void In_place_operations_return_the_same_object()
    {
        using var x = ones(3);
        Assert.Same(x, x.add_(x));
        Assert.Same(x, x.mul_(2.0));
        Assert.Same(x, x.fill_(1));
        Assert.Same(x, x.normal_());
        Assert.Same(x, x.requires_grad_(false));
    }

    [Fact]
    public void Zeroing_and_triangles_in_place_give_a_new_handle_to_the_same_memory()
    {
        using var x = ones(2, 2);
        foreach (var change in new Func<Tensor>[] { () => x.tril_(), () => x.triu_(), () => x.zero_() })
        {
            var result = change();
            Assert.NotSame(x, result);
            result.Dispose();
            Assert.False(x.IsInvalid);
        }
        Assert.Equal(0, x.sum().ToDouble());
    }

    [Fact]
    public void A_disposed_tensor_is_invalid_may_be_disposed_again_and_refuses_use()
    {
        var x = ones(1);
        x.Dispose();
        x.Dispose();
        Assert.True(x.IsInvalid);
        Assert.Throws<InvalidOperationException>(() => x.add(x));
        Assert.Throws<InvalidOperationException>(() => x.shape);
    }

    [Fact]
    public void Equality_is_elementwise()
    {
        using var scope = NewDisposeScope();
        var (x, y) = (tensor(new[] { 1f, 2f }), tensor(new[] { 1f, 3f }));
        Assert.Equal([true, false], (x == y).data<bool>().ToArray());
        Assert.Equal([false, true], (x != y).data<bool>().ToArray());
        Assert.True(x.Equals(tensor(new[] { 1f, 2f })));
        Assert.False(x.Equals(y));
    }

    [Fact]
    public void Items_demand_the_exact_type_and_conversions_do_not()
    {
        using var x = tensor(2.5);
        Assert.Equal(2.5, x.item<double>());
        Assert.Throws<ArgumentException>(() => x.item<float>());
        Assert.Throws<ArgumentException>(() => x.data<float>());
        Assert.Throws<ArgumentException>(() => ones(2).item<float>());
        Assert.Equal(2.5f, x.ToSingle());
        Assert.Equal(2, x.ToInt32());
        Assert.Equal(2L, x.ToInt64());
        Assert.True(x.ToBoolean());
        Assert.Equal(7L, tensor(7).ToInt64());
    }

    [Fact]
    public void Elements_are_read_and_written_through_strides()
    {
        using var scope = NewDisposeScope();
        var x = arange(6, float64).reshape(2, 3);
        var columns = x.t();
        Assert.Equal([0.0, 3, 1, 4, 2, 5], columns.data<double>().ToArray());
        Assert.Equal(4, columns.data<double>()[1, 1]);
        columns.data<double>().CopyFrom([10.0, 20, 30]);
        Assert.Equal([10.0, 30, 2, 20, 4, 5], x.data<double>().ToArray());
        var part = new double[3];
        columns.data<double>().CopyTo(part, 1);
        Assert.Equal([0.0, 10, 20], part);
        // From the middle on in contiguous memory only: TorchSharp 0.105.2 walks other strides wrongly from there.
        x.data<double>().CopyFrom([7.0, 8], tensorIndex: 4);
        x.data<double>().CopyTo(part, 0, 3);
        Assert.Equal([20.0, 7, 8], part);
    }

    [Fact]
    public void Data_of_a_tensor_that_requires_grad_can_be_read()
    {
        using var x = ones(2, requires_grad: true);
        Assert.Equal([1f, 1f], x.data<float>().ToArray());
    }

    [Fact]
    public void Bytes_are_the_memory_itself()
    {
        using var x = zeros(2, int32);
        x.bytes[4] = 7;
        Assert.Equal([0, 7], x.data<int>().ToArray());
    }

    [Fact]
    public void Arrays_are_copied_by_tensor_and_shared_by_from_array()
    {
        float[] source = [1, 2, 3];
        using var copy = tensor(source);
        using var shared = from_array(source);
        using var buffer = frombuffer(source, float32, count: 2, offset: 1);
        source[1] = 9;
        Assert.Equal([1f, 2, 3], copy.data<float>().ToArray());
        Assert.Equal([1f, 9, 3], shared.data<float>().ToArray());
        Assert.Equal([9f, 3], buffer.data<float>().ToArray());
    }

    [Fact]
    public void Element_types_follow_the_values_unless_one_is_asked_for()
    {
        using var scope = NewDisposeScope();
        Assert.Equal(float32, tensor(1f).dtype);
        Assert.Equal(float64, tensor(1.0).dtype);
        Assert.Equal(int32, tensor(1).dtype);
        Assert.Equal(int64, tensor(1L).dtype);
        Assert.Equal(ScalarType.Bool, tensor(true).dtype);
        Assert.Equal(float64, tensor(new[] { 1f }, dtype: float64).dtype);
        Assert.Equal(int64, arange(3).dtype);
        Assert.Equal(float32, zeros(1).dtype);
        Assert.Equal(int64, randperm(3).dtype);
        Assert.Equal([2L, 2L], tensor(new double[,] { { 1, 2 }, { 3, 4 } }).shape);
    }

    [Fact]
    public void Numbers_keep_the_type_of_the_tensor_on_either_side()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new[] { 2f, 4f });
        Assert.Equal([1f, 3f], (x - 1.0).data<float>().ToArray());
        Assert.Equal([-1f, -3f], (1.0 - x).data<float>().ToArray());
        Assert.Equal([4f, 2f], (8 / x).data<float>().ToArray());
        Assert.Equal([0f, 1f], (x / 2 % 2 - 1).abs().data<float>().ToArray());
        Assert.Equal([3f, 5f], x.add(1).data<float>().ToArray());
        Assert.Equal([4f, 16f], x.pow(2).data<float>().ToArray());
        Assert.Equal([false, true], (x > 2).data<bool>().ToArray());
    }

    [Fact]
    public void Indices_pick_and_assign()
    {
        using var scope = NewDisposeScope();
        var x = arange(24).reshape(2, 3, 4);
        Assert.Equal(23, x[1, 2, 3].ToInt64());
        Assert.Equal([3L, 4L], x[^1].shape);
        Assert.Equal([2L, 2L, 4L], x[.., 1..].shape);
        Assert.Equal([2L, 3L, 2L], x[TensorIndex.Ellipsis, TensorIndex.Slice(0, 4, 2)].shape);
        Assert.Equal([2L, 1L, 3L, 4L], x[TensorIndex.Colon, TensorIndex.None].shape);
        Assert.Equal([2L, 3L], x[TensorIndex.Colon, TensorIndex.Colon, TensorIndex.Tensor(tensor(3L))].shape);
        Assert.Equal([8L, 20L], x[TensorIndex.Colon, TensorIndex.Tensor(tensor(new[] { 2L })), TensorIndex.Single(0)].flatten().data<long>().ToArray());
        Assert.Equal(12, x[x > 11].numel());

        x[0] = zeros(3, 4, int64);
        x[1, 0, 0] = tensor(-1L);
        x[1, 1..] = tensor(5L);
        Assert.Equal(-1 + 13 + 14 + 15 + 8 * 5, x.sum().ToInt64());
    }

    [Fact]
    public void A_conversion_that_changes_nothing_is_a_second_handle()
    {
        var x = ones(2);
        var same = x.to(float32);
        var other = x.to(float64);
        x.Dispose();
        Assert.Equal(2, same.sum().ToDouble());
        Assert.Equal(float64, other.dtype);
        var gone = other.to(float32, disposeAfter: true);
        Assert.True(other.IsInvalid);
        gone.Dispose();
        same.Dispose();
    }

    [Fact]
    public void Several_results_come_apart()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new double[,] { { 3, 1 }, { 2, 4 } });
        var (values, indexes) = x.max(1);
        Assert.Equal([3.0, 4], values.data<double>().ToArray());
        Assert.Equal([0L, 1], indexes.data<long>().ToArray());
        Assert.Equal(2, x.split(1).Length);
        Assert.Equal(3, arange(10).chunk(3).Length);
        var (output, inverse, counts) = tensor(new[] { 2L, 1, 2 }).unique(return_counts: true);
        Assert.Equal([1L, 2], output.data<long>().ToArray());
        Assert.Null(inverse);
        Assert.Equal([1L, 2], counts!.data<long>().ToArray());
    }

    [Fact]
    public void Many_tensors_in_one_call_and_one_call_with_a_long_shape_work()
    {
        using var scope = NewDisposeScope();
        var parts = Enumerable.Range(0, 200).Select(i => full(1, i, float64)).ToArray();
        Assert.Equal(199 * 100, cat(parts).sum().ToDouble());
        Assert.Equal(200, cat(parts).unbind().Length);
        Assert.Equal(6, einsum("ij,ij->", ones(2, 3), ones(2, 3)).ToDouble());
    }

    [Fact]
    public void Reductions_take_dimensions_types_and_keepdim()
    {
        using var scope = NewDisposeScope();
        var x = ones(2, 3, 4);
        Assert.Equal([2L, 1L, 4L], x.sum(1, keepdim: true).shape);
        Assert.Equal([3L], x.mean(new long[] { 0, 2 }).shape);
        Assert.Equal(float64, x.sum(type: float64).dtype);
        Assert.Equal(0, x.var().ToDouble());
        Assert.Equal(Math.Sqrt(24), x.norm().ToDouble(), 5);
        Assert.Equal([2L, 3L], x.logsumexp(-1).shape);
    }
}
