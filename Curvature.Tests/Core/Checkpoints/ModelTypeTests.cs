using System.Reflection;
using System.Reflection.Emit;
using Curvature.Checkpoints;
using Curvature.Data;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Checkpoints;

public class ModelTypeTests
{
    private static readonly string Here = typeof(ModelTypeTests).Assembly.Location;

    [Fact]
    public void Known_networks_are_made_by_name()
    {
        foreach (string name in KnownNetworks.Names)
        {
            using nn.Module model = ModelType.Create(name);
            Assert.NotEmpty(model.parameters());
        }
    }

    [Fact]
    public void Every_network_of_the_folder_is_in_the_catalogue()
    {
        IEnumerable<Type> types = typeof(KnownNetworks).Assembly.GetExportedTypes()
            .Where(type => type.Namespace == typeof(KnownNetworks).Namespace && typeof(nn.Module).IsAssignableFrom(type));
        Assert.Equal(types.ToHashSet(), KnownNetworks.Names.Select(name => KnownNetworks.Create(name).GetType()).ToHashSet());
    }

    [Theory]
    [InlineData("digits-mlp", new long[] { 2, 64 }, 2410)]
    [InlineData("lenet", new long[] { 2, 1, 28, 28 }, 61706)]
    [InlineData("resnet20", new long[] { 2, 1, 28, 28 }, 68642)]
    public void Known_networks_have_the_documented_size_and_ten_outputs(string name, long[] input, long parameters)
    {
        using nn.Module<Tensor, Tensor> model = KnownNetworks.Create(name);
        using Tensor x = zeros(input);
        using Tensor y = model.call(x);
        Assert.Equal([2L, 10L], y.shape);
        Assert.Equal(parameters, model.parameters().Sum(parameter => parameter.numel()));
    }

    [Fact]
    public void A_type_of_an_assembly_is_made()
    {
        using nn.Module model = ModelType.Create($"{Here}!{typeof(SmallNet).FullName}");
        Assert.Equal(typeof(SmallNet).FullName, model.GetType().FullName);
    }

    [Fact]
    public void An_unknown_name_lists_the_known_ones() =>
        Refused<CurvatureException>("resnet", "Model type 'resnet': expected Assembly.dll!Namespace.Type, or one of digits-mlp, lenet, resnet20.");

    [Fact]
    public void An_absent_assembly_is_one_clear_message() => Refused<DataFormatException>("nowhere.dll!A.B", "nowhere.dll: expected a file");

    [Fact]
    public void A_file_that_is_no_assembly_is_one_clear_message()
    {
        using var folder = new TemporaryFolder();
        Refused<DataFormatException>(folder.Write("model.dll", "not an assembly") + "!A.B", "expected a .NET assembly");
    }

    [Fact]
    public void An_unknown_type_lists_the_models_of_the_assembly() =>
        Refused<DataFormatException>($"{Here}!No.Such.Type", typeof(SmallNet).FullName!);

    [Fact]
    public void A_type_that_is_no_model_is_one_clear_message()
    {
        Refused<CurvatureException>($"{Here}!{typeof(ModelTypeTests).FullName}", "expected a class derived from Module<Tensor, Tensor>");
        Refused<CurvatureException>($"{Here}!{typeof(TwoInputs).FullName}", "expected a class derived from Module<Tensor, Tensor>");
    }

    [Fact]
    public void A_constructor_with_parameters_or_an_error_is_one_clear_message()
    {
        Refused<CurvatureException>($"{Here}!{typeof(NeedsWidth).FullName}", "expected a public constructor without parameters");
        Refused<CurvatureException>($"{Here}!{typeof(Failing).FullName}", "got an error from its constructor: no such luck");
    }

    [Fact]
    public void An_assembly_built_against_another_TorchSharp_says_which()
    {
        using var folder = new TemporaryFolder();
        string engine = folder.File("Another.TorchSharp.dll"), model = folder.File("Model.dll");
        Build(engine, "Another.TorchSharp", "TorchSharp.Base", typeof(object));
        Build(model, "Model", "Mine.Net", Assembly.Load(File.ReadAllBytes(engine)).GetType("TorchSharp.Base")!);
        Refused<DataFormatException>($"{model}!Mine.Net", $"expected an assembly built against {typeof(torch).Assembly.GetName().Name}, as this program is, got one built against Another.TorchSharp");
    }

    private static void Build(string path, string assembly, string type, Type parent)
    {
        var builder = new PersistedAssemblyBuilder(new AssemblyName(assembly), typeof(object).Assembly);
        builder.DefineDynamicModule(assembly).DefineType(type, TypeAttributes.Public, parent).CreateType();
        builder.Save(path);
    }

    private static void Refused<TException>(string specification, string message) where TException : CurvatureException
    {
        var error = Assert.Throws<TException>(() => ModelType.Create(specification));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }
}
