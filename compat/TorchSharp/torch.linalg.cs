namespace TorchSharp;

public static partial class torch
{
    /// <summary>Dense linear algebra (LAPACK on the CPU). What has no answer, a matrix that is not positive definite for one, is an ExternalException.</summary>
    public static class linalg
    {
        public enum QRMode
        {
            Reduced = 0,
            Complete = 1,
            R = 2,
        }

        private static readonly Op Cholesky = new("linalg_cholesky"), CholeskyEx = new("linalg_cholesky_ex"), Eigh = new("linalg_eigh"), Eigvalsh = new("linalg_eigvalsh");
        private static readonly Op Qr = new("linalg_qr"), Svd = new("linalg_svd"), Svdvals = new("linalg_svdvals"), Inv = new("linalg_inv");
        private static readonly Op Pinv = new("linalg_pinv", "atol_rtol_float"), Solve = new("linalg_solve"), SolveTriangular = new("linalg_solve_triangular");
        private static readonly Op Lstsq = new("linalg_lstsq"), Slogdet = new("linalg_slogdet");
        private static readonly Op Norm = new("linalg_norm"), VectorNorm = new("linalg_vector_norm"), MatrixNorm = new("linalg_matrix_norm"), MatrixNormNamed = new("linalg_matrix_norm", "str_ord");

        public static Tensor cholesky(Tensor input) => Cholesky.Call(input);
        public static (Tensor L, Tensor info) cholesky_ex(Tensor input, bool check_errors = false) => Pair(CholeskyEx.CallMany(input, false, check_errors));
        public static (Tensor, Tensor) eigh(Tensor input, char UPLO = 'L') => Pair(Eigh.CallMany(input, UPLO.ToString()));
        public static Tensor eigvalsh(Tensor input, char UPLO = 'L') => Eigvalsh.Call(input, UPLO.ToString());
        public static (Tensor Q, Tensor R) qr(Tensor input, QRMode mode = QRMode.Reduced) =>
            Pair(Qr.CallMany(input, mode switch { QRMode.Reduced => "reduced", QRMode.Complete => "complete", _ => "r" }));
        public static (Tensor U, Tensor S, Tensor Vh) svd(Tensor input, bool fullMatrices = true) => Triple(Svd.CallMany(input, fullMatrices));
        public static Tensor svdvals(Tensor input) => Svdvals.Call(input);
        public static Tensor inv(Tensor input) => Inv.Call(input);
        public static Tensor pinv(Tensor input, double? atol = null, double? rtol = null, bool hermitian = false) => Pinv.Call(input, atol, rtol, hermitian);
        public static Tensor solve(Tensor A, Tensor B, bool left = true) => Solve.Call(A, B, left);

        public static Tensor solve_triangular(Tensor A, Tensor B, bool upper, bool left = true, bool unitriangular = false, Tensor? @out = null)
        {
            var solution = SolveTriangular.Call(A, B, upper, left, unitriangular);
            if (@out is null) return solution;
            @out.copy_(solution);
            solution.Dispose();
            return @out;
        }

        public static (Tensor Solution, Tensor Residuals, Tensor Rank, Tensor SingularValues) lstsq(Tensor input, Tensor other)
        {
            var all = Lstsq.CallMany(input, other);
            return (all[0], all[1], all[2], all[3]);
        }

        public static (Tensor, Tensor) slogdet(Tensor input) => Pair(Slogdet.CallMany(input));
        public static Tensor norm(Tensor input, long[]? dims = null, bool keepdim = false) => Norm.Call(input, Val.None, dims, keepdim);
        public static Tensor vector_norm(Tensor input, double ord = 2, long[]? dims = null, bool keepdim = false) => VectorNorm.Call(input, ord, dims, keepdim);
        public static Tensor matrix_norm(Tensor input, string ord = "fro", long[]? dims = null, bool keepdim = false) => MatrixNormNamed.Call(input, ord, dims ?? [-2, -1], keepdim);
        public static Tensor matrix_norm(Tensor input, double ord, long[]? dims = null, bool keepdim = false) => MatrixNorm.Call(input, ord, dims ?? [-2, -1], keepdim);

        private static (Tensor, Tensor) Pair(Tensor[] both) => (both[0], both[1]);

        private static (Tensor, Tensor, Tensor) Triple(Tensor[] all) => (all[0], all[1], all[2]);
    }
}
